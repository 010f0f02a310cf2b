"""A call of a process that died, taken up by this one.

    taken = Restored(kept, context)      # the books; LocalProtocolError when they cannot be read
    await taken.open_media()             # before new calls can take its ports
    taken.take_up()                      # once the sockets are bound
    await taken.lose(at, why)            # instead of any of it: the books are closed

The parties notice nothing: the dialogs, the ports they send to, and who holds whom are as they were.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

from trunkline.base.errors import LocalProtocolError, RemoteProtocolError, TransportError
from trunkline.base.story import Step, Story
from trunkline.call.bridge import Bridge
from trunkline.call.call import Call, Moved
from trunkline.call.context import CallContext
from trunkline.call.leg_media import LegMedia
from trunkline.call.leg_outcome import LegOutcome
from trunkline.call.party import Party
from trunkline.call.records import close_books
from trunkline.call.service import ServiceMedia
from trunkline.call.sip_leg import SipLeg
from trunkline.call.snapshot import VERSION
from trunkline.media.commands import Echo, Tone, command_from_dict
from trunkline.model.kept_call import KeptCall
from trunkline.proto.sip.reasons import reason_phrase
from trunkline.ua.sessions import restore

LOST: Final = "call.lost_in_crash"
_Q850_TEMPORARY_FAILURE: Final = 41
# What a body of another shape raises while it is read.
_MISSHAPEN: Final = (KeyError, IndexError, TypeError, ValueError, AttributeError)


class Restored:
    """One kept call on its way back. ``call`` has its legs; ``up`` tells whether it can be carried on."""

    def __init__(self, kept: KeptCall, context: CallContext) -> None:
        self.kept = kept
        self.seen_at = kept.updated_at
        with _reading():
            data = json.loads(kept.body)
            if data["version"] != VERSION:
                raise LocalProtocolError(f"kept call of version {data['version']}, expected {VERSION}")
            self.up = bool(data["up"])
            self.call = _call_of(kept, data, context)
            self._legs: list[tuple[SipLeg, dict[str, Any]]] = [
                (_leg_of(self.call, leg), leg) for leg in data["legs"]
            ]
            if not self._legs:
                raise LocalProtocolError("a kept call without a leg")
            self._holds: dict[str, str] | None = data["holds"]
            self._service: dict[str, Any] | None = data["service"]

    @property
    def parties(self) -> int:
        """How many of its parties can be told what becomes of it."""
        return len(self._live())

    def _live(self) -> list[tuple[SipLeg, dict[str, Any]]]:
        return [(leg, data) for leg, data in self._legs if data["session"] is not None]

    async def open_media(self) -> None:
        """Open the ports where they were, and relay; raises MediaError, LocalProtocolError."""
        with _reading():
            for leg, data in self._live():
                await leg.media.restore(data["media"])
            live = [leg for leg, _ in self._live()]
            if self._holds is not None:
                self.call.bridge = Bridge(self.call, live[0], live[1])
                self.call.bridge.take_up(self._holds)
                await self.call.bridge.link()
            elif self._service is not None:
                self.call.service = ServiceMedia(self.call, live[0])
                await self.call.service.carry_on(cast("Echo | Tone", command_from_dict(self._service)))

    def take_up(self) -> None:
        """Answer the parties again, all that can be; raises LocalProtocolError, TransportError when one cannot."""
        trouble: Exception | None = None
        for leg, data in self._live():
            try:
                with _reading():
                    leg.session = restore(data["session"], self.call.context.endpoint, leg)
            except (LocalProtocolError, TransportError) as error:
                trouble = error
        if trouble is not None:
            raise trouble
        self.call.tell("call.restored", "the exchange crashed and was started again; the call goes on")
        self.call.changes += 1

    async def lose(self, why: str) -> None:
        """Close the books of a call that nobody carries on; it ended when it was last seen."""
        call = self.call
        call.tell(LOST, why)
        for leg in call.legs:
            status = 200 if leg.outcome.answered_at is not None else 480
            at = max(self.seen_at, leg.outcome.answered_at or leg.outcome.started_at)
            leg.outcome.end(at, "exchange", status, reason_phrase(status), LOST, _Q850_TEMPORARY_FAILURE)
        await close_books(call)


async def until_over(call: Call) -> None:
    """The script of a call that was up before: the parties talk on."""
    await call.over()


def _call_of(kept: KeptCall, data: dict[str, Any], context: CallContext) -> Call:
    number, domain, name = data["caller"]
    started = context.endpoint.now() - (context.wall() - data["started_at"])
    story = _story_of(started, data["story"])
    caller = Party(number, domain, name, anonymous=data.get("anonymous", False))
    call = Call(context, kept.tenant, caller, data["callee"], story)
    call.id = kept.id
    call.parties = tuple(data["parties"])
    call.referred = tuple(data.get("referred", ()))
    call.started_at = data["started_at"]
    return call


def _story_of(started: float, steps: list[list[Any]]) -> Story:
    story = Story(started)
    story.extend([Step(started + ms / 1000, code, text, more) for ms, code, text, more in steps])
    return story


def _leg_of(call: Call, data: dict[str, Any]) -> SipLeg:
    media = data["media"]
    address, profile = (media["identity"]["address"], media["profile"]) if media else ("", "transparent")
    owned = LegMedia(call.context.engine, call.id, address, profile)
    leg = call.take_up_leg(data["id"], LegOutcome.restore(data["outcome"]), owned)
    leg.done = data["session"] is None
    if "moved" in data:
        began, told = data["moved"]
        story = None if told is None else _story_of(call.story.started + told[0], told[1])
        call.note_origin(leg, Moved(began, story))
    return leg


@contextmanager
def _reading() -> Iterator[None]:
    """A body that another program wrote, or half of one, is refused like one of another version."""
    try:
        yield
    except (*_MISSHAPEN, RemoteProtocolError) as error:
        raise LocalProtocolError(f"a kept call cannot be read: {type(error).__name__}") from error
