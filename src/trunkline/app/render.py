"""How each kind of row looks, and stories for people. Pure: data in, tables and lines out."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from rich.text import Text

from trunkline.app.terminal import Column, Screen, safe
from trunkline.base.messages import (
    BanRow,
    CallRow,
    ConferenceMember,
    ConferenceRow,
    ExchangeStatus,
    ExtensionRow,
    GeneratedPassword,
    MailboxRow,
    MediaInstanceRow,
    RecordingRow,
    RecordRow,
    RegistrationRow,
    SubscriptionRow,
    TenantRow,
    TrunkRow,
    WaitingRow,
)


def clock(at: float | None) -> str:
    """Local date and time to the second; empty for None."""
    return datetime.fromtimestamp(at, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else ""


def state_of(row: MediaInstanceRow) -> str:
    """``up``, ``down``, ``unknown``, and whether it gets no new calls."""
    return f"{row.state}, drained" if row.draining else row.state


def duration(seconds: float) -> str:
    """``0:07``, ``12:30``, ``3:02:11``, ``2d 03:00:00``."""
    whole = max(int(seconds), 0)
    days, rest = divmod(whole, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    if days:
        return f"{days}d {hours:02}:{minutes:02}:{rest:02}"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def remaining(seconds: float) -> str:
    """The same for a time that is left: what has just begun has all of it."""
    return duration(math.ceil(seconds - 1e-3))  # the difference of two clock readings may be a hair above it


def count_of(number: int, thing: str) -> str:
    """``1 call``, ``2 calls``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def calls_limit(most: int | None) -> str:
    """Empty where the settings say it."""
    return "" if most is None else str(most) if most else "any"


def media_of(row: CallRow) -> str:
    """``relay``, and what else there is to it: ``relay, dtls/plain, opus/PCMA, kernel, room 42, recorded``."""
    parties = row.parties
    secured = "/".join(one.security or "plain" for one in parties)
    codecs = "/".join(one.codec or "?" for one in parties)
    in_kernel = sum(one.kernel for one in parties)
    words = (
        row.media,
        secured if any(one.security for one in parties) else "",
        codecs if any(one.converted for one in parties) else "",
        "" if not in_kernel else "kernel" if in_kernel == len(parties) else "kernel one way",
        f"room {row.conference}" if row.conference else "",
        "recorded" if row.recording else "",
    )
    return ", ".join(filter(None, words))


EXTENSIONS = (
    Column[ExtensionRow]("NUMBER", lambda row: row.number, "bold"),
    Column[ExtensionRow]("NAME", lambda row: row.name),
    Column[ExtensionRow]("REGISTERED", lambda row: str(row.bindings), justify="right"),
    Column[ExtensionRow]("MAX CALLS", lambda row: calls_limit(row.max_calls), justify="right"),
    Column[ExtensionRow]("FIXED CONTACT", lambda row: row.contact or "", "cyan"),
)
TENANTS = (
    Column[TenantRow]("TENANT", lambda row: row.name, "bold"),
    Column[TenantRow]("DOMAINS", lambda row: ", ".join(row.domains), "cyan"),
    Column[TenantRow]("REALM", lambda row: row.realm),
    Column[TenantRow]("EXTENSIONS", lambda row: str(row.extensions), justify="right"),
)
BANS = (
    Column[BanRow]("SOURCE", lambda row: row.source, "bold"),
    Column[BanRow]("SINCE", lambda row: clock(row.banned_at)),
    Column[BanRow]("EXPIRES", lambda row: remaining(row.expires_s), justify="right"),
    Column[BanRow]("REASON", lambda row: row.code, "yellow"),
)
MEDIA = (
    Column[MediaInstanceRow]("NAME", lambda row: row.name, "bold"),
    Column[MediaInstanceRow]("STATE", state_of, "cyan"),
    Column[MediaInstanceRow]("FOR", lambda row: duration(row.since_s), justify="right"),
    Column[MediaInstanceRow]("CALLS", lambda row: str(row.sessions), justify="right"),
    Column[MediaInstanceRow](
        "OF ALL", lambda row: "" if row.sessions_all is None else str(row.sessions_all), justify="right"
    ),
    Column[MediaInstanceRow]("FAILURES", lambda row: str(row.failures), justify="right"),
)
TRUNKS = (
    Column[TrunkRow]("NAME", lambda row: row.name, "bold"),
    Column[TrunkRow]("HOST", lambda row: row.host),
    Column[TrunkRow]("STATE", lambda row: row.state, "cyan"),
    Column[TrunkRow]("SINCE", lambda row: clock(row.since)),
    Column[TrunkRow](
        "NEXT", lambda row: "" if row.next_try_s is None else remaining(row.next_try_s), justify="right"
    ),
    Column[TrunkRow]("WHY", lambda row: row.why, "yellow"),
)
WAITING = (
    Column[WaitingRow]("NUMBER", lambda row: row.number, "bold"),
    Column[WaitingRow]("TEXTS", lambda row: str(row.count), justify="right"),
    Column[WaitingRow]("SINCE", lambda row: clock(row.oldest_at)),
    Column[WaitingRow]("ATTEMPTS", lambda row: str(row.attempts), justify="right"),
    Column[WaitingRow]("WHY", lambda row: row.why, "yellow"),
)
SUBSCRIPTIONS = (
    Column[SubscriptionRow]("WATCHER", lambda row: row.watcher, "bold"),
    Column[SubscriptionRow]("WATCHES", lambda row: row.number, "bold"),
    Column[SubscriptionRow]("EVENT", lambda row: row.event, "cyan"),
    Column[SubscriptionRow]("CONTACT", lambda row: row.contact),
    Column[SubscriptionRow]("TRANSPORT", lambda row: row.transport),
    Column[SubscriptionRow]("SINCE", lambda row: clock(row.since)),
    Column[SubscriptionRow]("EXPIRES", lambda row: remaining(row.expires_s), justify="right"),
    Column[SubscriptionRow]("NOTIFIED", lambda row: str(row.notified), justify="right"),
)
MAILBOXES = (
    Column[MailboxRow]("NUMBER", lambda row: row.number, "bold"),
    Column[MailboxRow]("NEW", lambda row: str(row.new), justify="right"),
    Column[MailboxRow]("OLD", lambda row: str(row.old), justify="right"),
    Column[MailboxRow]("NEW URGENT", lambda row: str(row.new_urgent), justify="right"),
    Column[MailboxRow]("OLD URGENT", lambda row: str(row.old_urgent), justify="right"),
)
RECORDINGS = (
    Column[RecordingRow]("CALL", lambda row: row.call, "cyan"),
    Column[RecordingRow]("FROM", lambda row: row.caller, "bold"),
    Column[RecordingRow]("TO", lambda row: row.callee, "bold"),
    Column[RecordingRow]("SINCE", lambda row: clock(row.started_at)),
    Column[RecordingRow]("DURATION", lambda row: duration(row.duration_s), justify="right"),
    Column[RecordingRow]("FILE", lambda row: row.file),
)
CONFERENCES = (
    Column[tuple[ConferenceRow, ConferenceMember]]("ROOM", lambda pair: pair[0].room, "bold"),
    Column[tuple[ConferenceRow, ConferenceMember]]("NUMBER", lambda pair: pair[1].number, "bold"),
    Column[tuple[ConferenceRow, ConferenceMember]]("CALL", lambda pair: pair[1].call, "cyan"),
    Column[tuple[ConferenceRow, ConferenceMember]]("MUTED", lambda pair: "muted" if pair[1].muted else ""),
    Column[tuple[ConferenceRow, ConferenceMember]]("SINCE", lambda pair: clock(pair[0].started_at)),
    Column[tuple[ConferenceRow, ConferenceMember]]("RECORDED INTO", lambda pair: pair[0].file),
)
PASSWORDS = (
    Column[GeneratedPassword]("NUMBER", lambda row: row.number, "bold"),
    Column[GeneratedPassword]("PASSWORD", lambda row: row.password, "green"),
)
CALLS = (
    Column[CallRow]("CALL", lambda row: row.call, "dim"),
    Column[CallRow]("FROM", lambda row: row.caller, "bold"),
    Column[CallRow]("TO", lambda row: row.callee, "bold"),
    Column[CallRow]("STATE", lambda row: row.state, "green"),
    Column[CallRow]("SINCE", lambda row: clock(row.started_at)),
    Column[CallRow]("DURATION", lambda row: duration(row.duration_s), justify="right"),
    Column[CallRow]("LEGS", lambda row: str(row.legs), justify="right"),
    Column[CallRow]("MEDIA", media_of),
)
REGISTRATIONS = (
    Column[RegistrationRow]("NUMBER", lambda row: row.number, "bold"),
    Column[RegistrationRow]("CONTACT", lambda row: row.contact, "cyan"),
    Column[RegistrationRow]("STATE", lambda row: row.state),
    Column[RegistrationRow]("FROM", lambda row: row.received),
    Column[RegistrationRow]("VIA", lambda row: row.transport),
    Column[RegistrationRow]("SINCE", lambda row: clock(row.registered_at)),
    Column[RegistrationRow]("EXPIRES", lambda row: remaining(row.expires_s), justify="right"),
    Column[RegistrationRow]("PHONE", lambda row: row.user_agent, "dim"),
)
RECORDS = (
    Column[RecordRow]("STARTED", lambda row: clock(row.started_at)),
    Column[RecordRow]("FROM", lambda row: row.caller, "bold"),
    Column[RecordRow]("TO", lambda row: row.callee, "bold"),
    Column[RecordRow](
        "LEG", lambda row: row.direction if not row.target else f"{row.direction} {row.target}"
    ),
    Column[RecordRow]("TALKED", lambda row: duration(talked_s(row)), justify="right"),
    Column[RecordRow]("STATUS", lambda row: f"{row.status} {row.reason}"),
    Column[RecordRow]("REASON", lambda row: row.code),
    Column[RecordRow]("CALL", lambda row: row.call, "dim"),
)


def talked_s(row: RecordRow) -> float:
    """Seconds between answer and end."""
    return row.ended_at - row.answered_at if row.answered_at else 0.0


_LOADS = {"calls_refused": "new calls get 503", "all_refused": "all that is new gets 503"}


def show_status(screen: Screen, status: ExchangeStatus) -> None:
    """The exchange at a glance."""
    facts = {"tenant": status.tenant} if status.tenant else {}
    facts |= {
        "state": f"{status.state}, pid {status.pid}, node {status.node}, version {status.version}",
        "up": f"{duration(status.uptime_s)} (since {clock(status.started_at)})",
        "domain": status.domain,
        "data": status.data,
        "extensions": f"{status.extensions}, {status.registrations} registered",
        "calls": str(status.calls),
        "media ports": f"{status.ports_open} open, {status.ports_free} free",
    }
    if status.kernel:
        facts["kernel path"] = status.kernel
    for number, one in enumerate(status.media):
        facts["rtpengine" + " " * number] = (
            f"{one.name} {state_of(one)} for {duration(one.since_s)}, {one.sessions} calls"
        )
    facts |= _apps(status)
    if status.trunks:
        facts["trunks"] = f"{status.trunks}, {status.trunks_up} up"
    if status.subscriptions:
        facts["subscriptions"] = str(status.subscriptions)
    if status.texts:
        facts["texts"] = f"{status.texts} wait for who is away"
    if status.load != "normal":
        facts["load"] = _LOADS.get(status.load, status.load)
    for number, listener in enumerate(status.listeners):
        told = listener.advertised if not listener.url.endswith(f":{listener.advertised}") else ""
        shown = f" as {told}" if told else ""
        facts["listening" if number == 0 else " " * number] = f"{listener.url}{shown} for {listener.role}"
    show_facts(screen, facts)
    for warning in status.warnings:
        screen.warn(warning)


def _apps(status: ExchangeStatus) -> dict[str, str]:
    facts = {}
    if status.devices:
        dead = f", {status.devices_disabled} cannot be pushed" if status.devices_disabled else ""
        facts["devices"] = f"{status.devices}{dead}"
    if status.accounts:
        facts["accounts"] = ", ".join(f"{status.accounts[word]} {word}" for word in sorted(status.accounts))
    if any(one.state != "idle" for one in status.push) or status.devices:
        facts["push"] = ", ".join(f"{one.service} {one.state}" for one in status.push)
    return facts


def show_facts(screen: Screen, facts: dict[str, str]) -> None:
    """Names and values, aligned."""
    width = max(map(len, facts))
    for name, value in facts.items():
        screen.out.print(Text.assemble((name.ljust(width), "dim"), "  ", safe(value)), soft_wrap=True)
