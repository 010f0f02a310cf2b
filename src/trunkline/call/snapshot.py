"""A call in progress as plain data, for the process that carries on after a crash; ``restored`` reads it.

A call that is up is written down whole: its sessions, the media ports with their numbers and peers, who holds.
One that ends at something of ours which cannot be continued is written so that its caller can be told. A call
that rings an app, or that an app has begun, is written with its INVITEs, so that it can still be answered or ended;
of any other that still rings only the books are kept. No credentials and no media keys are in it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from trunkline.base.json_text import json_text
from trunkline.call.app_leg import AppLeg
from trunkline.call.sip_leg import SipLeg
from trunkline.call.spoken_for import is_keyed
from trunkline.ua.sessions import snapshot as session_snapshot

if TYPE_CHECKING:
    from trunkline.base.story import Story
    from trunkline.call.bridge import Bridge
    from trunkline.call.call import Call
    from trunkline.call.leg import Leg
    from trunkline.media.commands import Echo, Tone

VERSION: Final = 1
_CREDENTIALS: Final = re.compile(r"^(?:Proxy-)?Authorization\s*:.*\r\n", re.IGNORECASE | re.MULTILINE)
_MEDIA_KEYS: Final = ("a=crypto:", r"\nk=")  # as written text has them: a line's end is escaped in it
_PATH_KEYS: Final = ("a=ice-pwd:",)
_KEYS: Final = _MEDIA_KEYS + _PATH_KEYS  # with any in it, a session is looked at, and may be left out
STORY_HEAD: Final = 40  # steps: the way to the answer; what came later is lost with the process


def written_form(call: Call) -> str:
    """The snapshot as JSON.

    Keys are looked for in the text, where nothing can be missed; only where there are some, the sessions are gone
    through one by one.
    """
    text = json_text(snapshot(call, searched=False))
    return json_text(snapshot(call)) if any(key in text for key in _KEYS) else text


def snapshot(call: Call, *, searched: bool = True) -> dict[str, Any]:
    """JSON-serialisable data; with ``up`` true the call can be carried on.

    Unless it is ``searched``, sessions may be in it in which keys are left.
    """
    live = _live_legs(call)
    doing = _doing(call)
    bridged = call.bridge is not None and {call.bridge.a, call.bridge.b} == set(live)
    rings = _ringing(call, live)
    keyed = any(leg.media.secured for leg in call.legs if not leg.done)
    secret = rings is not None and (keyed or is_keyed(call.invitation.offer))
    return {
        "version": VERSION,
        "up": not keyed
        and (bridged or (doing is not None and len(live) == 1) or (rings is not None and not secret)),
        "keyed": keyed,
        "rings": None if secret else rings,
        "media": call.media,
        "foreign": call.foreign,
        "late": _late(call.bridge) if call.bridge is not None else None,
        "caller": [call.caller.number, call.caller.domain, call.caller.name],
        "anonymous": call.caller.anonymous,
        "callee": call.callee,
        "parties": list(call.parties),
        "referred": list(call.referred),
        "started_at": call.started_at,
        "story": _story_head(call.story),
        "legs": [_leg_data(leg, live, searched=searched) | _origin(call, leg) for leg in call.legs],
        "holds": call.bridge.holds() if call.bridge is not None else None,
        "service": doing.to_dict() if doing is not None else None,
        "recording": call.recording.to_dict() if call.recording is not None else None,
        "room_file": call.room_file,
    }


def is_settled(call: Call) -> bool:
    """Whether no party changes the call at this moment: a change under way cannot be carried on."""
    return all(leg.settled for leg in call.legs if not leg.done)


def can_be_kept(call: Call) -> bool:
    """Whether a call with an app may be written at this moment: a 2xx with keys in it is on its way, or it may."""
    if call.bridge is None or is_settled(call):
        return True
    return not any(is_keyed(leg.media.identity.body.encode("utf-8", "replace")) for leg in call.legs)


def _live_legs(call: Call) -> list[Leg]:
    """The parties who were answered and have not left, the caller first; none while one of them rings.

    Of a call with an app all who are there, in whatever state.
    """
    live: list[Leg] = [leg for leg in call.legs if not leg.done]
    if call.has_apps:
        return live if all(_is_there(leg) for leg in live) else []
    return live if is_settled(call) else []


def _is_there(leg: Leg) -> bool:
    if not isinstance(leg, SipLeg):
        return True
    session = leg.session
    return session is not None and not session.ended and session.state != session.ENDING


def _ringing(call: Call, live: list[Leg]) -> dict[str, Any] | None:
    """What the call asks for, while it rings an app or for one."""
    if not call.has_apps or not live or call.fork is None or call.bridge is not None:
        return None
    asked = call.invitation
    return {
        "offer": asked.offer.decode("utf-8", "surrogateescape"),
        "headers": asked.headers,
        "max_forwards": asked.max_forwards,
        "takes_early_offer": asked.takes_early_offer,
    }


def _late(bridge: Bridge) -> dict[str, str] | None:
    """The offer of an app that waits for the other party's ACK."""
    late = bridge.waits_for
    maker = bridge.other(late.answerer) if late is not None else None
    if late is None or not isinstance(maker, AppLeg):
        return None
    return {"answerer": late.answerer.id, "offer": maker.said.decode("utf-8", "surrogateescape")}


def _doing(call: Call) -> Echo | Tone | None:
    return call.service.doing if call.service is not None and call.bridge is None else None


def _leg_data(leg: Leg, live: list[Leg], *, searched: bool) -> dict[str, Any]:
    data: dict[str, Any] = {"id": leg.id, "outcome": leg.outcome.snapshot(), "session": None, "media": None}
    if isinstance(leg, AppLeg):
        data["app"] = leg.snapshot() | {"there": leg in live}
        if leg in live:
            data["media"] = leg.media.snapshot()
    elif isinstance(leg, SipLeg) and leg in live and leg.session is not None:
        session = session_snapshot(leg.session)
        settled, paths = leg.session.settled, not leg.media.passes
        if not settled:
            _clean_pending(session, paths=paths)
        if settled or not searched or not _is_keyed(session, paths=paths):
            data["session"] = session
            left = leg.rings_until - leg.context.endpoint.now() if leg.ring_timer is not None else None
            data["ring_left_s"] = None if left is None else max(left, 0.0)
            data["media"] = leg.media.snapshot()
    return data


def _clean_pending(session: dict[str, Any], *, paths: bool) -> None:
    """Take credentials and keys out of its pending INVITEs; ``paths``: the passwords of ICE are taken for keys."""
    if session.get("invite") is not None:
        session["invite"]["message"] = _clean(session["invite"]["message"], paths=paths)
    draft = session.get("draft")
    if draft is not None:
        draft["extra"] = _CREDENTIALS.sub("", draft["extra"])
        if is_keyed(draft["body"].encode("utf-8", "replace"), paths=paths):
            draft["body"] = ""


def _is_keyed(session: dict[str, Any], *, paths: bool) -> bool:
    """Whether keys are left, as in a provisional of ours."""
    left = repr(session)
    return any(key in left for key in (_KEYS if paths else _MEDIA_KEYS))


def _clean(message: str, *, paths: bool) -> str:
    head, _, body = message.partition("\r\n\r\n")
    if "authorization" in head.lower():
        head = _CREDENTIALS.sub("", f"{head}\r\n").removesuffix("\r\n")
    if body and is_keyed(body.encode("utf-8", "replace"), paths=paths):
        head = re.sub(r"(?im)^(content-length|l)\s*:.*$", "Content-Length: 0", head)
        body = ""
    return f"{head}\r\n\r\n{body}"


def _origin(call: Call, leg: Leg) -> dict[str, Any]:
    """The call where a leg began that was moved here, and the story that goes into its record."""
    moved = call.origin_of(leg)
    if moved is None:
        return {}
    story = moved.story
    return {
        "moved": [
            moved.call,
            None if story is None else [story.started - call.story.started, _story_head(story)],
        ]
    }


def _story_head(story: Story) -> list[list[Any]]:
    return [
        [round((step.at - story.started) * 1000), step.code, step.text, step.data]
        for step in story.steps[:STORY_HEAD]
    ]
