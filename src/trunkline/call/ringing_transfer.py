"""A transfer to whom the transferor is calling: its call still rings, and whoever stays waits in its place."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from trunkline.base.errors import CallFailed, MediaError, RemoteProtocolError, TransportError
from trunkline.call.agreement import Agreement, agree_anew, pass_answer, told_last
from trunkline.call.fork import Fork, Winner
from trunkline.call.leg import Leg
from trunkline.call.transfer import TRANSFERRED, Transfer, failure_of, must_be_there, ports_for
from trunkline.proto.sip.reasons import reason_phrase

if TYPE_CHECKING:
    from trunkline.call.call import Call


class RingingTransfer(Transfer):
    """The phones ring on; on the answer whoever stays moves to that call, which goes on.

    Until then both calls are as they were, except that the transferor may leave either of them, or both.
    """

    def wait_for(self, ringing: Call, fork: Fork, stays: Leg) -> None:
        """Let ``stays`` talk to who answers ``fork``, which belongs to the transferor's other call."""
        self._calls = (self._call, ringing)
        self._consulting = ringing.legs[0]
        self.gone = {self._leg, self._consulting}
        asked_before = fork.hand_over()
        self._start(self._wait(ringing, fork, stays, asked_before))
        self._progress.tell(180)

    async def _wait(
        self, ringing: Call, fork: Fork, stays: Leg, asked_before: asyncio.Future[Winner | CallFailed]
    ) -> None:
        before = self._call
        try:
            winner = await asyncio.shield(fork.decided)
            if isinstance(winner, CallFailed):
                raise winner
            await self._seat(ringing, stays, *winner)
        except (CallFailed, MediaError, RemoteProtocolError, TransportError) as error:
            failure = failure_of(error)
            before.tell("transfer.failed", f"{failure.status} {failure.reason}", status=failure.status)
            ringing.transfer = None  # it ends now, and this goes on
            _decide(asked_before, failure)
            self._progress.tell(failure.status, failure.reason, final=True)
            await self._return(stays, failure)
        except asyncio.CancelledError:
            if self._consulting.done or fork.decided.done():
                ringing.hang_up(code="transfer.not_joined")
            else:
                fork.decided = (
                    asked_before  # nobody is to be handed on any more: it is its caller's call again
                )
            raise
        else:
            _decide(asked_before, winner)
            self._consulting.refuse(CallFailed(487, reason_phrase(487), 16, TRANSFERRED))
            try:
                await self._succeeded()
            finally:
                before.hang_up(code=TRANSFERRED)

    async def _seat(self, ringing: Call, stays: Leg, joins: Leg, body: bytes) -> None:
        """Put ``stays`` where the transferor was; raises when they cannot talk, and ``joins`` is hung up then."""
        try:
            await ringing.early.end()
            agreement = await self._agree_with(ringing, stays, joins, body)
            self.take_place_in(ringing)
            await self._join(stays, joins, agreement)
            self._referrals.count(ringing, stays, joins)
        except BaseException:
            joins.hang_up(code="transfer.not_joined")
            raise

    async def _agree_with(self, ringing: Call, stays: Leg, joins: Leg, body: bytes) -> Agreement:
        before = self._call
        must_be_there(stays, joins)
        extra = self._referrals.connected(ringing, joins, stays)
        media = ports_for(ringing, stays)
        try:
            if ringing.early.agreed or not body:
                # What the transferor agreed on before the answer was for its own ports.
                agreement = await agree_anew(joins, stays, media, told_last(self._leg), ("", extra))
            else:
                asked, body = ringing.early.standing(joins, body)
                agreement = await pass_answer(joins, asked, body, stays, extra, media)
            must_be_there(stays, joins)
            await media.adopt()
        except BaseException:
            await media.close()
            raise
        ringing.move_in(stays, media, before, first=True)
        before.tell("transfer.moved", f"{stays.outcome.number} goes on in call {ringing.id}")
        ringing.tell("transfer.joined", f"{stays.outcome.number} comes from call {before.id}")
        return agreement


def _decide(waiting: asyncio.Future[Winner | CallFailed], outcome: Winner | CallFailed) -> None:
    if not waiting.done():
        waiting.set_result(outcome)
