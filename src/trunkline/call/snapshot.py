"""A call in progress as plain data, for the process that carries on after a crash; ``restored`` reads it.

A call that is up is written down whole: its sessions, the media ports with their numbers and peers, who holds.
One that ends at something of ours which cannot be continued is written so that its caller can be told. Of a
call that still rings only the books are kept. No credentials and no media keys are in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from trunkline.call.sip_leg import SipLeg
from trunkline.ua.sessions import snapshot as session_snapshot

if TYPE_CHECKING:
    from trunkline.base.story import Story
    from trunkline.call.call import Call
    from trunkline.call.leg import Leg
    from trunkline.media.commands import Echo, Tone

VERSION: Final = 1
STORY_HEAD: Final = 40  # steps: the way to the answer; what came later is lost with the process


def snapshot(call: Call) -> dict[str, Any]:
    """JSON-serialisable data; with ``up`` true the call can be carried on."""
    live = _live_legs(call)
    doing = _doing(call)
    bridged = call.bridge is not None and {call.bridge.a, call.bridge.b} == set(live)
    return {
        "version": VERSION,
        "up": bridged or (doing is not None and len(live) == 1),
        "caller": [call.caller.number, call.caller.domain, call.caller.name],
        "anonymous": call.caller.anonymous,
        "callee": call.callee,
        "parties": list(call.parties),
        "referred": list(call.referred),
        "started_at": call.started_at,
        "story": _story_head(call.story),
        "legs": [_leg_data(leg, live) | _origin(call, leg) for leg in call.legs],
        "holds": call.bridge.holds() if call.bridge is not None else None,
        "service": doing.to_dict() if doing is not None else None,
    }


def is_settled(call: Call) -> bool:
    """Whether no party changes the call at this moment: a change under way cannot be carried on."""
    legs = [leg for leg in call.legs if isinstance(leg, SipLeg) and not leg.done]
    return all(leg.session is not None and leg.session.settled for leg in legs)


def _live_legs(call: Call) -> list[SipLeg]:
    """The parties who were answered and have not left, the caller first; none while one of them rings."""
    live = [leg for leg in call.legs if isinstance(leg, SipLeg) and not leg.done]
    return live if is_settled(call) else []


def _doing(call: Call) -> Echo | Tone | None:
    return call.service.doing if call.service is not None and call.bridge is None else None


def _leg_data(leg: Leg, live: list[SipLeg]) -> dict[str, Any]:
    data: dict[str, Any] = {"id": leg.id, "outcome": leg.outcome.snapshot(), "session": None, "media": None}
    if isinstance(leg, SipLeg) and leg in live and leg.session is not None:
        data["session"] = session_snapshot(leg.session)
        data["media"] = leg.media.snapshot()
    return data


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
