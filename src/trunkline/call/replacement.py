"""Somebody comes in by an INVITE and takes another's place: a party that talks, or phones that ring (RFC 3891)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from trunkline.base.errors import CallFailed, MediaError, RemoteProtocolError, TransportError
from trunkline.call.agreement import Agreement, ask
from trunkline.call.bridge import Bridge
from trunkline.call.failures import fault
from trunkline.call.fork import ELSEWHERE
from trunkline.call.leg import Leg
from trunkline.call.referrals import Referrals
from trunkline.call.service import ServiceMedia
from trunkline.call.sip_leg import SipLeg
from trunkline.call.transfer import must_be_there
from trunkline.media.offer_answer import check_answer, streams_of
from trunkline.net.flow import Flow
from trunkline.proto.sip.transaction.incoming import Incoming

if TYPE_CHECKING:
    from trunkline.call.call import Call


class Replacement:
    """One under way in a call, in the place of ``Call.transfer``."""

    def __init__(self, call: Call, incoming: Incoming, flow: Flow, number: str, referrals: Referrals) -> None:
        """The INVITE of extension ``number`` makes a leg; RemoteProtocolError when it cannot."""
        self._call = call
        self._referrals = referrals
        self._task: asyncio.Task[None] | None = None
        self._acknowledged: asyncio.Future[bytes] = call.context.endpoint.loop.create_future()
        self._newcomer: SipLeg = call.new_party(incoming, flow, number)
        self._offer = self._newcomer.media.read(incoming.request.body)
        self._leaves: Leg | None = None
        call.transfer = self

    # What the call says to it

    def progress(self, leg: Leg, status: int) -> bool:
        return False

    def outlives(self, leg: Leg) -> bool:
        return leg is self._newcomer or leg is self._leaves

    def acknowledged(self, leg: Leg, body: bytes) -> bool:
        """The newcomer's first ACK: what it says belongs to what we answered, unless a bridge is there already."""
        if leg is not self._newcomer or self._call.bridge is not None or self._acknowledged.done():
            return False
        self._acknowledged.set_result(body)
        return True

    def left(self, leg: Leg) -> None:
        if leg is self._newcomer:
            self.cancel()

    def cancel(self) -> None:
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    # In the place of a party that talks

    def take_over(self, leg: Leg, stays: Leg) -> None:
        """Let ``stays`` talk to the newcomer instead of ``leg``."""
        self._leaves = leg
        self._start(self._take_over(leg, stays))

    async def _take_over(self, leg: Leg, stays: Leg) -> None:
        call, newcomer = self._call, self._newcomer
        extra = self._referrals.connected(call, newcomer, stays)
        bridge = Bridge(call, newcomer, stays)
        agreement: Agreement | None = None
        if self._offer:
            streams = streams_of(self._offer)
            await newcomer.media.open_for(streams, stays.media)
            await stays.media.open_for(streams, newcomer.media)
            _, answer = await ask(stays, stays.media.rewritten(self._offer, len(streams), offer=True), extra)
            agreement = Agreement(newcomer, streams, stays, check_answer(streams, answer))
            body = newcomer.media.rewritten(answer, len(streams))
        else:
            body = await self._ask_for_offer(bridge, extra)
        must_be_there(newcomer, stays)
        call.bridge = bridge
        call.changes += 1
        newcomer.answer(body)
        if agreement is not None:
            await agreement.take_effect(bridge)
        self._referrals.count(call, stays, newcomer)
        leg.hang_up(ELSEWHERE, code="call.replaced")
        call.tell("call.taken_over", f"{newcomer.outcome.target} takes the place of {leg.outcome.target}")
        await leg.media.close()

    async def _ask_for_offer(self, bridge: Bridge, extra: str) -> bytes:
        """What ``bridge.b`` offers, for the newcomer, whose ACK will bring the answer."""
        stays = bridge.b
        _, offer = await ask(stays, b"", extra)
        try:
            body = await bridge.late_offer(stays, self._newcomer, offer)
            must_be_there(self._newcomer, stays)
        except BaseException:
            stays.acknowledge(b"")  # RFC 3261 §13.2.2.4: its 2xx wants one, though nobody is left to answer
            raise
        return body

    # In the place of phones that ring

    def pick_up(self) -> None:
        """Let the newcomer have the call that rings; its phones are told "Call completed elsewhere"."""
        self._start(self._pick_up())

    async def _pick_up(self) -> None:
        """Caller and newcomer have both offered. The newcomer is answered by us and then told the caller's offer."""
        call, newcomer, asked = self._call, self._newcomer, self._call.invitation
        ours = ServiceMedia(call, newcomer)
        newcomer.answer(await ours.agree(self._offer))
        body = await self._acknowledged
        if not self._offer:
            await ours.acknowledged(body)
        described = self._offer or body
        if asked.offer:
            await newcomer.media.open_for(asked.streams, call.caller_leg.media)
            offer = newcomer.media.rewritten(asked.offer, len(asked.streams), offer=True)
            _, described = await ask(newcomer, offer)
        fork = call.fork
        if fork is None or fork.decided.done() or newcomer.done:
            newcomer.hang_up(ELSEWHERE, code="call.elsewhere")
            return
        call.tell("call.picked_up", f"{newcomer.outcome.target} picks up the call")
        self._referrals.count(call, call.legs[0], newcomer)
        fork.answered(newcomer, described)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = self._call.context.spawn(self._run(work))

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        call, newcomer = self._call, self._newcomer
        try:
            await work
        except (CallFailed, MediaError, RemoteProtocolError, TransportError) as error:
            failure = fault(error)
            call.tell("call.not_replaced", f"{newcomer.outcome.target}: {error}", status=failure.status)
            if newcomer.outcome.answered_at is None:
                newcomer.refuse(failure)
            else:
                newcomer.hang_up(code=failure.code)
        finally:
            if call.transfer is self:
                call.transfer = None
            if newcomer.done:
                await newcomer.media.close()
            if self._leaves is not None and self._leaves.done and newcomer.done:
                call.hang_up(code="transfer.failed")  # somebody left meanwhile, and nobody came
