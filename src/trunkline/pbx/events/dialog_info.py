"""The ``dialog`` package (RFC 4235): what an extension's phones are doing, for lamps on the phones of others.

Each document holds the full state, as it may (§3.8): a phone that missed one, or that knows ``full`` alone, is right
after the next. A dialog that was told of is told of once more when it is over, as ``terminated``.

The dialog's ids are those of the leg between the extension and us, as the extension sees them, so that an INVITE
with Replaces (RFC 3891) finds that leg here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from trunkline.call.call import Call
from trunkline.call.leg import Leg, LegKind
from trunkline.call.party import Party
from trunkline.call.sip_leg import SipLeg
from trunkline.pbx.directory import Directory
from trunkline.pbx.events.xml import escaped
from trunkline.pbx.route import normalise
from trunkline.ua.subscriptions import View

MOST_DIALOGS: Final = 50
"""In one document; an extension with more calls is busy in any case."""


class Told(NamedTuple):
    """One dialog as a subscriber knows it: ``direction`` is ``initiator`` or ``recipient``.

    ``private``: whom it calls would say to the callee who calls it.
    """

    id: str
    state: str
    direction: str
    call_id: str = ""
    local_tag: str = ""
    remote_tag: str = ""
    remote: str = ""
    remote_name: str = ""
    private: bool = False


class DialogPackage:
    """``calls_of(tenant, number)`` gives the calls in which an extension may have a leg; ``reachable`` whether it
    has a contact; ``shows_callers()`` whether others of its tenant see who is at the other end.
    """

    event = "dialog"
    content_type = "application/dialog-info+xml"

    def __init__(
        self,
        directory: Directory,
        calls_of: Callable[[str, str], Iterable[Call]],
        reachable: Callable[[str, str], bool],
        shows_callers: Callable[[], bool] = lambda: True,
    ) -> None:
        self._directory = directory
        self._calls_of = calls_of
        self._reachable = reachable
        self._shows_callers = shows_callers

    def has_news(self, subscription: View) -> bool:
        watch, told = subscription.watch, subscription.told
        now = {one.id: one for one in self._dialogs(watch.tenant, watch.number)}
        return now != told.get("dialogs", {}) or told.get("reachable") != self._reachable(
            watch.tenant, watch.number
        )

    def compose(self, subscription: View) -> bytes:
        watch, told = subscription.watch, subscription.told
        now = {one.id: one for one in self._dialogs(watch.tenant, watch.number)}
        over = [
            one._replace(state="terminated")
            for each, one in told.get("dialogs", {}).items()
            if each not in now
        ]
        reachable = self._reachable(watch.tenant, watch.number)
        told["dialogs"], told["reachable"] = now, reachable
        entity = Party(watch.number, watch.domain).uri
        is_own = watch.watcher == watch.number
        open_ = is_own or self._shows_callers()
        dialogs = [
            one if is_own or not one.private else one._replace(remote="") for one in (*now.values(), *over)
        ]
        return render(
            entity,
            subscription.version,
            dialogs,
            reachable=reachable,
            shows_callers=open_,
            domain=watch.domain,
        )

    def _dialogs(self, tenant: str, number: str) -> list[Told]:
        found: list[Told] = []
        for call in self._calls_of(tenant, number):
            found += (
                self._told(call, leg)
                for leg in call.legs
                if not leg.done and not leg.outcome.outside and extension_of(leg) == number
            )
        return found[:MOST_DIALOGS]

    def _told(self, call: Call, leg: Leg) -> Told:
        call_id, local_tag, remote_tag = ids_of(leg)
        initiator = leg.outcome.direction == "in"
        remote, name = self._other_end(call, leg)
        state = _state(call, leg, is_tagged=_rings(leg))
        direction = "initiator" if initiator else "recipient"
        private = initiator and call.caller.anonymous and leg is call.legs[0]
        return Told(leg.id, state, direction, call_id, local_tag, remote_tag, remote, name, private)

    def _other_end(self, call: Call, leg: Leg) -> tuple[str, str]:
        """Number and name of who is at the other end; nothing of a caller who wants to stay unknown."""
        other = _bridged_to(call, leg)
        if other is not None and other.outcome.hidden:
            return "", ""
        if other is None and leg.outcome.direction == "in":
            number = normalise(call.callee)
        else:
            number = call.caller.number if other is None else extension_of(other)
        if number == call.caller.number:
            return ("", "") if call.caller.anonymous else (number, call.caller.name)
        entry = self._directory.extension(call.tenant, number)
        return number, entry.name if entry is not None else ""


def _bridged_to(call: Call, leg: Leg) -> Leg | None:
    """Whom a leg talks to; a transfer may have put somebody else there than was called."""
    others = [one for one in call.legs if one is not leg and not one.done]
    talks = call.bridge is not None and leg.outcome.answered_at is not None and len(others) == 1
    return others[0] if talks else None


def extension_of(leg: Leg) -> str:
    """The number whose phone a leg goes to, or comes from."""
    return leg.outcome.caller if leg.outcome.direction == "in" else normalise(leg.outcome.callee)


def numbers_of(call: Call) -> set[str]:
    """The numbers whose state a call is part of."""
    return {call.caller.number, *call.parties, *(extension_of(leg) for leg in call.legs)}


def ids_of(leg: Leg) -> tuple[str, str, str]:
    """Call-ID, the phone's tag and ours; a tag is empty while nobody has one."""
    if not isinstance(leg, SipLeg):
        return "", "", ""  # an app's has no dialog, and what names it is told to nobody who watches
    dialog = leg.session.dialog if leg.session is not None else None
    if dialog is None:
        return leg.outcome.sip_call_id, "", ""
    return dialog.call_id, dialog.remote_tag, dialog.local_tag


def _rings(leg: Leg) -> bool:
    """Whether its party has the call: a phone says so by its tag, an app has had it handed over."""
    return bool(ids_of(leg)[1]) or leg.kind is LegKind.APP


def _state(call: Call, leg: Leg, *, is_tagged: bool) -> str:
    """RFC 4235 §3.7.1, figure 2; a caller's dialog is early when the callee rings."""
    if leg.outcome.answered_at is not None:
        return "confirmed"
    if leg.outcome.direction == "in":
        is_tagged = any(_rings(other) for other in call.legs if other is not leg)
    return "early" if is_tagged else "trying"


def render(
    entity: str,
    version: int,
    dialogs: Iterable[Told],
    *,
    reachable: bool,
    shows_callers: bool,
    domain: str,
) -> bytes:
    """The document. Who is not registered is told apart from who is idle by a tuple of RFC 3863, which RFC 4235
    §4.4 lets stand behind the dialogs: ``closed``. Phones that do not know it show an idle lamp."""
    attributes = f'version="{version}" state="full" entity="{escaped(entity)}"'
    lines = [
        '<?xml version="1.0"?>',
        f'<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" {attributes}>',
    ]
    for one in dialogs:
        lines += _dialog(one, entity, domain, shows_callers=shows_callers)
    if not reachable:
        lines.append(
            '<tuple xmlns="urn:ietf:params:xml:ns:pidf" id="registration"><status><basic>closed</basic></status>'
            "</tuple>"
        )
    return "\r\n".join([*lines, "</dialog-info>", ""]).encode()


def _dialog(one: Told, entity: str, domain: str, *, shows_callers: bool) -> Iterator[str]:
    attributes = "".join(
        f' {name}="{escaped(value)}"'
        for name, value in (
            ("call-id", one.call_id),
            ("local-tag", one.local_tag),
            ("remote-tag", one.remote_tag),
            ("direction", one.direction),
        )
        if value
    )
    yield f'<dialog id="{escaped(one.id)}"{attributes}>'
    yield f"<state>{one.state}</state>"
    local = escaped(entity)
    yield f'<local><identity>{local}</identity><target uri="{local}"/></local>'
    if shows_callers and one.remote:
        uri = escaped(Party(one.remote, domain).uri)
        display = f' display="{escaped(one.remote_name)}"' if one.remote_name else ""
        yield f'<remote><identity{display}>{uri}</identity><target uri="{uri}"/></remote>'
    yield "</dialog>"
