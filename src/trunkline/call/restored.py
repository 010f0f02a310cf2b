"""A call of a process that died, taken up by this one.

    taken = Restored(kept, context)      # the books; LocalProtocolError when they cannot be read
    await taken.open_media()             # before new calls can take its ports
    taken.take_up()                      # once the sockets are bound
    await taken.lose(at, why)            # instead of any of it: the books are closed

The parties notice nothing: the dialogs, the ports they send to, and who holds whom are as they were.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeAlias, cast

from trunkline.base.errors import CallFailed, LocalProtocolError, RemoteProtocolError, TransportError
from trunkline.base.story import Step, Story
from trunkline.call.app_leg import AppLeg, AppSide
from trunkline.call.bridge import Bridge
from trunkline.call.call import Call, Moved, Script
from trunkline.call.context import CallContext
from trunkline.call.invitation import Invitation
from trunkline.call.kept_recording import KeptRecording
from trunkline.call.leg import Info
from trunkline.call.leg_outcome import LegOutcome
from trunkline.call.party import Party
from trunkline.call.passing_media import MediaPolicy
from trunkline.call.records import close_books
from trunkline.call.service import ServiceMedia
from trunkline.call.sip_leg import SipLeg
from trunkline.call.snapshot import VERSION
from trunkline.media.commands import Echo, Tone, command_from_dict
from trunkline.model.kept_call import KeptCall
from trunkline.proto.sip.reasons import reason_phrase
from trunkline.ua.sessions import ClientSession, Session, restore
from trunkline.ua.sessions.update import send_update

Sides: TypeAlias = Callable[[str, dict[str, Any]], AppSide | None]
"""Who is behind an app's leg, by the leg's id and its data: ``label``, ``said``, ``confirmed``, ``ring_left_s``."""

LOST: Final = "call.lost_in_crash"
RECORDING_FAILED: Final = "call.recording_failed"
RECORDING_CUT: Final = "recording.crash"
_Q850_TEMPORARY_FAILURE: Final = 41
_LOOK_AGAIN_S: Final = 1.0
# What a body of another shape raises while it is read.
_MISSHAPEN: Final = (KeyError, IndexError, TypeError, ValueError, AttributeError)


class Restored:
    """One kept call on its way back. ``call`` has its legs; ``up`` tells whether it can be carried on.

    ``keyed`` that it cannot because its media was encrypted: keys are in no file. ``cut`` are the files of recordings
    that end with the crash.
    """

    def __init__(self, kept: KeptCall, context: CallContext) -> None:
        self.kept = kept
        self.seen_at = kept.updated_at
        with _reading():
            data = json.loads(kept.body)
            if data["version"] != VERSION:
                raise LocalProtocolError(f"kept call of version {data['version']}, expected {VERSION}")
            self.up = bool(data["up"])
            self.keyed = bool(data.get("keyed"))
            self.call = _call_of(kept, data, context)
            self.cut = _cut(self.call, data)
            self._legs: list[tuple[SipLeg | AppLeg, dict[str, Any]]] = [
                (_leg_of(self.call, leg), leg) for leg in data["legs"]
            ]
            if not self._legs:
                raise LocalProtocolError("a kept call without a leg")
            self._holds: dict[str, str] | None = data["holds"]
            self._service: dict[str, Any] | None = data["service"]
            self._late: dict[str, Any] | None = data.get("late")
            self._rings: dict[str, Any] | None = data.get("rings")
            if self._rings is not None:
                self.call.invitation = _invitation_of(self._rings)

    @property
    def parties(self) -> int:
        """How many of its parties can be told what becomes of it."""
        return len(self._live())

    @property
    def script(self) -> Script:
        """What the call goes on with."""
        return until_over if self._rings is None else until_answered

    def _live(self) -> list[tuple[SipLeg | AppLeg, dict[str, Any]]]:
        return [(leg, data) for leg, data in self._legs if _is_there(data)]

    async def open_media(self) -> None:
        """Open the ports where they were, and relay; raises MediaError, LocalProtocolError."""
        with _reading():
            for leg, data in self._live():
                await leg.media.restore(data["media"])
            live = [leg for leg, _ in self._live()]
            if self._holds is not None:
                self.call.bridge = Bridge(self.call, live[0], live[1])
                self.call.bridge.take_up(self._holds)
                if self._late is not None:
                    answerer = next(leg for leg in live if leg.id == self._late["answerer"])
                    self.call.bridge.take_up_late(answerer, self._late["offer"])
                await self.call.bridge.link()
            elif self._service is not None:
                self.call.service = ServiceMedia(self.call, live[0])
                await self.call.service.carry_on(cast("Echo | Tone", command_from_dict(self._service)))

    def take_up(self, sides: Sides | None = None) -> None:
        """Answer the parties again, all that can be; raises LocalProtocolError, TransportError when one cannot.

        ``sides`` says who is behind the leg of an app; a leg with nobody behind it leaves.
        """
        apps = self._take_up_apps(sides)
        trouble = self._take_up_sessions()
        if self._rings is not None:
            self.call.take_up_fork()
        if trouble is not None:
            raise trouble
        self.call.tell("call.restored", "the exchange crashed and was started again; the call goes on")
        self.call.changes += 1
        for leg in apps:
            if not isinstance(leg.side, NobodyThere):
                continue
            if leg.answered or leg.outcome.direction == "in":
                leg.leave()
            else:
                leg.give_up(_lost())  # which is no word of a user's: others may still take the call

    def _take_up_apps(self, sides: Sides | None) -> list[AppLeg]:
        away_s = self.call.context.wall() - self.seen_at
        apps: list[AppLeg] = []
        for leg, data in self._live():
            if isinstance(leg, AppLeg):
                with _reading():
                    leg.restore(data["app"], away_s)
                leg.side = (sides(leg.id, data["app"]) if sides is not None else None) or leg.side
                apps.append(leg)
        return apps

    def _take_up_sessions(self) -> LocalProtocolError | TransportError | None:
        trouble: LocalProtocolError | TransportError | None = None
        for leg, data in self._live():
            if isinstance(leg, AppLeg):
                continue
            try:
                with _reading():
                    leg.session = restore(data["session"], self.call.context.endpoint, leg)
                self._go_on_calling(leg, data.get("ring_left_s"))
            except (LocalProtocolError, TransportError) as error:
                if self._rings is not None and leg is not self.call.legs[0]:
                    leg.give_up(_lost())
                else:
                    trouble = error
        return trouble

    def _go_on_calling(self, leg: SipLeg, ring_left_s: float | None) -> None:
        """What an INVITE of ours still wants: an end of its ringing, or the ACK that waited for the disk."""
        session = leg.session
        if not isinstance(session, ClientSession):
            return
        if ring_left_s is not None:
            leg.ring_for(max(ring_left_s - (self.call.context.wall() - self.seen_at), 0.01))
        if session.state == session.CONFIRMED and session.ack_later and self.call.bridge is not None:
            leg.acknowledge(b"")

    def ask_around(self) -> None:
        """Ask the party of an app whether it still knows the call (RFC 3261 §12.2.1.2).

        Who hung up while nobody was here to hear it says 481, and the call ends.
        """
        if self.call.has_apps and self._rings is None:
            for leg in self.call.legs:
                if isinstance(leg, SipLeg) and not leg.done and leg.session is not None:
                    self.call.context.spawn(_ask(leg.session))

    def say_goodbye(self, known: Container[str]) -> None:
        """It ended a moment before the crash: end it again for its SIP parties, who may not have heard of it.

        ``known`` are the legs that live on in other calls.
        """
        for leg, data in self._live():
            if isinstance(leg, SipLeg) and leg.id not in known:
                leg.done = True
                with suppress(LocalProtocolError, TransportError), _reading():
                    leg.session = restore(data["session"], self.call.context.endpoint, leg)
                    leg.session.hang_up()

    async def lose(self, why: str) -> None:
        """Close the books of a call that nobody carries on; it ended when it was last seen."""
        call = self.call
        call.tell(LOST, why)
        for leg in call.legs:
            status = 200 if leg.outcome.answered_at is not None else 480
            at = max(self.seen_at, leg.outcome.answered_at or leg.outcome.started_at)
            leg.outcome.end(at, "exchange", status, reason_phrase(status), LOST, _Q850_TEMPORARY_FAILURE)
        await close_books(call)


async def _ask(session: Session) -> None:
    """By UPDATE, which nobody answers without a dialog; by OPTIONS where that is not taken."""
    while not session.settled:  # its ACK, or a change, is yet to come through
        await asyncio.sleep(_LOOK_AGAIN_S)
        if session.ended:
            return
    if session.takes_update:
        send_update(session, b"", lambda _status, _response: None)
    else:
        with suppress(RemoteProtocolError, TransportError):
            await session.request("OPTIONS")


async def until_over(call: Call) -> None:
    """The script of a call that was up before: the parties talk on."""
    await call.over()


async def until_answered(call: Call) -> None:
    """The script of a call that rang."""
    await call.ring_on()
    await call.over()


class NobodyThere:
    """An app's side while nobody has said who it is."""

    def __init__(self, label: str) -> None:
        self.label = label

    def offered(self, leg: AppLeg, body: bytes) -> None:
        """Nobody hears it."""

    def taken(self, leg: AppLeg) -> None:
        """Nobody hears it."""

    def confirmed(self, leg: AppLeg, body: bytes) -> None:
        """Nobody hears it."""

    def progressed(self, leg: AppLeg, status: int, body: bytes) -> None:
        """Nobody hears it."""

    def answered(self, leg: AppLeg, body: bytes) -> None:
        """Nobody hears it."""

    def failed(self, leg: AppLeg, failure: CallFailed) -> None:
        """Nobody hears it."""

    def ended(self, leg: AppLeg, reason: str, code: str, by: str) -> None:
        """Nobody hears it."""

    def asked(self, leg: AppLeg, body: bytes) -> bool:
        return False

    def withdrawn(self, leg: AppLeg) -> None:
        """Nobody hears it."""

    def informed(self, leg: AppLeg, info: Info) -> bool:
        return False


def _is_there(data: dict[str, Any]) -> bool:
    app = data.get("app")
    return bool(app["there"]) if app is not None else data["session"] is not None


def _lost() -> CallFailed:
    return CallFailed(480, reason_phrase(480), _Q850_TEMPORARY_FAILURE, LOST)


def _invitation_of(data: dict[str, Any]) -> Invitation:
    offer = data["offer"].encode("utf-8", "surrogateescape")
    asked = Invitation.made(offer, data["headers"], data["max_forwards"])
    asked.takes_early_offer = data["takes_early_offer"]
    return asked


def _call_of(kept: KeptCall, data: dict[str, Any], context: CallContext) -> Call:
    number, domain, name = data["caller"]
    started = context.endpoint.now() - (context.wall() - data["started_at"])
    story = _story_of(started, data["story"])
    caller = Party(number, domain, name, anonymous=data.get("anonymous", False))
    policy: MediaPolicy = "bypass" if data.get("media") == "bypass" else "relay"
    foreign = data.get("foreign", False)
    call = Call(context, kept.tenant, caller, data["callee"], story, media=policy, foreign=foreign)
    call.id = kept.id
    call.parties = tuple(data["parties"])
    call.referred = tuple(data.get("referred", ()))
    call.started_at = data["started_at"]
    recording = data.get("recording")
    if recording is not None:
        call.recording = KeptRecording.from_dict(recording)
    for file in _cut(call, data):
        call.tell(RECORDING_FAILED, f"the exchange crashed: {file} ends there", why=RECORDING_CUT)
    return call


def _cut(call: Call, data: dict[str, Any]) -> list[str]:
    """The files of recordings that ended with the process: of the call, of the conference that it is in."""
    own = call.recording.path if call.recording is not None else ""
    return [file for file in (own, data.get("room_file", "")) if file]


def _story_of(started: float, steps: list[list[Any]]) -> Story:
    story = Story(started)
    story.extend([Step(started + ms / 1000, code, text, more) for ms, code, text, more in steps])
    return story


def _leg_of(call: Call, data: dict[str, Any]) -> SipLeg | AppLeg:
    media = data["media"]
    address, profile = (media["identity"]["address"], media["profile"]) if media else ("", "transparent")
    owned = call.media_at(address, profile)
    side = NobodyThere(data["app"]["label"]) if "app" in data else None
    leg = call.take_up_leg(data["id"], LegOutcome.restore(data["outcome"]), owned, side)
    leg.done = not _is_there(data)
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
