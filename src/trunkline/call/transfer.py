"""A transfer under way: who asked for it, who stays, and what becomes of them (RFC 5589).

The parties change places inside the exchange: whoever stays keeps its dialog with us and is told a new description,
whoever handed the call on is told how it went and hung up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from trunkline.base.errors import CallFailed, MediaError, RemoteProtocolError, TransportError
from trunkline.call.agreement import Agreement, agree_anew, ask, pass_answer, told_last
from trunkline.call.bridge import Bridge
from trunkline.call.failures import fault
from trunkline.call.fork import Fork
from trunkline.call.invitation import Errand, Invitation
from trunkline.call.leg import Leg
from trunkline.call.leg_media import LegMedia
from trunkline.call.referrals import Onward, Progress, Referrals
from trunkline.call.ring_back import RingBack
from trunkline.media.offer_answer import streams_of
from trunkline.proto.sip.draft import header_lines
from trunkline.proto.sip.grammar import quote

if TYPE_CHECKING:
    from trunkline.call.call import Call

TRANSFERRED: Final = "call.transferred"


class Transfer:
    """One under way in a call, or in two. ``gone`` are the legs whose end is not the end of the call meanwhile."""

    def __init__(self, call: Call, leg: Leg, progress: Progress, referrals: Referrals) -> None:
        self._call = call
        self._leg = leg
        self._progress = progress
        self._referrals = referrals
        self._task: asyncio.Task[None] | None = None
        self._calls: tuple[Call, ...] = (call,)
        self.gone: set[Leg] = {leg}
        self._ringback: RingBack | None = None

    def take_place_in(self, call: Call) -> None:
        """Not the call that the REFER came in by goes on, but this one."""
        self._call = call

    # What calls say to it

    def progress(self, leg: Leg, status: int) -> bool:
        self._progress.tell(180 if status == 180 else 183)
        if self._ringback is not None:
            self._ringback.start()
        return True

    def outlives(self, leg: Leg) -> bool:
        return leg in self.gone

    def acknowledged(self, leg: Leg, body: bytes) -> bool:
        return False

    def left(self, leg: Leg) -> None:
        """It is told how it went nevertheless."""

    def cancel(self) -> None:
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    # To somebody who is called

    def go_on_to(self, onward: Onward, stays: Leg) -> None:
        """Call somebody for ``stays`` (blind transfer)."""
        self._start(self._blind(onward, stays))

    async def _blind(self, onward: Onward, stays: Leg) -> None:
        try:
            await self._ring(onward, stays)
        except CallFailed as failure:
            self._call.tell(
                "transfer.failed",
                f"{onward.number}: {failure.status} {failure.reason}",
                status=failure.status,
            )
            self._referrals.count(self._call, self._leg, stays)
            self._progress.tell(failure.status, failure.reason, final=True)
            await self._return(stays, failure)
        else:
            await self._succeeded()

    async def _ring(self, onward: Onward, stays: Leg) -> None:
        """Ring the new party and let it talk to ``stays``; raises CallFailed when it will not."""
        call = self._call
        offer = told_last(self._leg)
        lines = header_lines("Referred-By", f"<{onward.referrer}>") if onward.referrer else ""
        if onward.replaces:
            # RFC 3891 §4: who does not know the header is not to be rung as if nothing stood there.
            lines += f"{header_lines('Replaces', onward.replaces)}Require: replaces\r\n"
        asked = Invitation.made(offer, lines, call.context.max_forwards)
        errand = Errand(asked, onward.caller, onward.number, stays.media)
        fork = call.fork = Fork(call, onward.targets, call.context.ring_timeout_s, errand)
        ringback = self._ringback = RingBack(call, stays)
        try:
            joins, body = await fork.run()
        finally:
            call.fork = self._ringback = None
            await ringback.stop()
            await self._release_losers(fork)
        self._referrals.count(call, stays, joins)
        before = stays.media.told, told_last(stays)
        try:
            extra = self._referrals.connected(call, joins, stays)
            agreement = await pass_answer(joins, asked.streams, body, stays, extra)
            await self._join(stays, joins, agreement)
        except (CallFailed, MediaError, RemoteProtocolError, TransportError) as error:
            joins.hang_up(code="transfer.not_joined")
            await joins.media.close()
            await self._tell_again(stays, *before)
            raise failure_of(error) from error

    async def _tell_again(self, stays: Leg, described: str, known: bytes) -> None:
        """Who stays was told of a party that is gone again: it hears anew of whom it talks to."""
        if not known or told_last(stays) == known or stays.done or self._leg.done:
            return
        body = described.encode("utf-8", "surrogateescape")
        with suppress(CallFailed, MediaError, RemoteProtocolError):  # it keeps what it has, which may do
            await ask(stays, stays.media.rewritten(body, len(streams_of(body)), offer=True))

    async def _release_losers(self, fork: Fork) -> None:
        """The call goes on, perhaps to further transfers: who did not answer needs no ports any more."""
        for leg in fork.branches:
            if leg.done and leg.outcome.answered_at is None:
                await leg.media.close()

    async def _return(self, stays: Leg, failure: CallFailed) -> None:
        """Whoever asked still talks to who stays, or is rung again; else the call ends with the reason."""
        call = self._call
        if not self._leg.done:
            call.tell("transfer.returned", "the parties are together as before")
            return
        onward = self._referrals.back(call, self._leg, stays)
        if onward is not None:
            call.tell("transfer.recall", f"{onward.number} is rung again")
            try:
                await self._ring(onward, stays)
            except CallFailed as again:
                call.tell(
                    "transfer.failed", f"{onward.number}: {again.status} {again.reason}", status=again.status
                )
            else:
                return
        reason = f"SIP;cause={failure.status};text={quote(failure.reason)}"
        call.hang_up(reason, code="transfer.failed")

    # To somebody who talks already

    def bring_together(self, other: Call, stays: Leg, moves: Leg, leaves: Leg) -> None:
        """Let ``stays`` of this call talk to ``moves`` of another (attended transfer).

        ``leaves`` is the party that leaves this call.
        """
        self._calls = (self._call, other)
        self.gone = {leaves, next(leg for leg in _parties(other) if leg is not moves)}
        other.transfer = self
        self._start(self._attended(other, stays, moves))

    async def _attended(self, other: Call, stays: Leg, moves: Leg) -> None:
        call = self._call
        try:
            agreement = await self._agree(other, stays, moves)
        except (CallFailed, MediaError, RemoteProtocolError, TransportError) as error:
            failure = failure_of(error)
            call.tell("transfer.failed", f"{failure.status} {failure.reason}", status=failure.status)
            self._progress.tell(failure.status, failure.reason, final=True)
            return
        try:
            call.tell("transfer.joined", f"{moves.outcome.number} comes from call {other.id}")
            other.tell("transfer.moved", f"{moves.outcome.number} goes on in call {call.id}")
            await self._join(stays, moves, agreement)
            self._referrals.count(call, stays, moves)
            await self._succeeded()
        finally:
            other.hang_up(code=TRANSFERRED)

    async def _agree(self, other: Call, stays: Leg, moves: Leg) -> Agreement:
        """Agree, and take ``moves`` over with new ports; when that fails, both calls are as they were."""
        call = self._call
        consulted = next(leg for leg in _parties(other) if leg is not moves)
        media = ports_for(call, moves)
        extras = self._referrals.connected(other, moves, stays), self._referrals.connected(call, stays, moves)
        try:
            agreement = await agree_anew(stays, moves, media, told_last(consulted), extras)
            must_be_there(stays, moves)
            await media.adopt()
        except BaseException:
            await media.close()
            raise
        call.move_in(moves, media, other)
        self._referrals.count(other, consulted)
        return agreement

    # What both end with

    async def _join(self, stays: Leg, joins: Leg, agreement: Agreement) -> None:
        must_be_there(stays, joins)
        call = self._call
        bridge = Bridge(call, stays, joins)
        call.changes += 1
        call.bridge = bridge
        await agreement.take_effect(bridge)
        call.tell("transfer.done", f"{stays.outcome.number} talks to {joins.outcome.number}")

    async def _succeeded(self) -> None:
        """Tell whoever asked, and only then hang up: a BYE may overtake a NOTIFY."""
        self._progress.tell(200, final=True)
        await self._progress.told()
        for leg in self.gone:
            leg.hang_up(code=TRANSFERRED)
            if leg in self._call.legs:
                self._call.tell("call.left", f"{leg.outcome.number} left the call", why=leg.outcome.code)
                await leg.media.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        for call in self._calls:
            call.transfer = self
        self._progress.tell(100)
        self._task = self._call.context.spawn(self._run(work))

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            self._progress.tell(487, final=True)
            raise
        finally:
            for call in self._calls:
                if call.transfer is self:
                    call.transfer = None
                if any(leg.done for leg in _parties(call)):
                    call.hang_up(code="transfer.failed")  # somebody left meanwhile, and nobody came


def ports_for(call: Call, leg: Leg) -> LegMedia:
    """Ports for a party of another call that is to move here; ``adopt`` when it has."""
    known = leg.media
    media = LegMedia(
        call.context.engine, call.id, known.identity.address, known.profile.name, converts=known.converts
    )
    media.follow(known)
    media.tell = call.tell
    return media


def failure_of(error: CallFailed | MediaError | RemoteProtocolError | TransportError) -> CallFailed:
    """A description of one party that the other cannot have is nobody's bad request."""
    failure = fault(error)
    if failure.status in {400, 488} and not isinstance(error, CallFailed):
        return CallFailed(488, "Not Acceptable Here", 65, "call.bad_answer")
    return failure


def must_be_there(*legs: Leg) -> None:
    if any(leg.done for leg in legs):
        raise CallFailed(480, "Temporarily Unavailable", 31, "transfer.party_left")


def _parties(call: Call) -> tuple[Leg, ...]:
    return (call.bridge.a, call.bridge.b) if call.bridge is not None else ()
