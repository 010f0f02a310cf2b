"""A call: its legs and their story, told straight down the page by a script.

    async def front_desk(call: Call) -> None:
        await call.connect(static_targets([target]))
        await call.over()

A script runs as one task. What it awaits are decisions, never messages; between them the legs work by
callbacks. When it returns, or fails, or the caller leaves, the call is closed: legs hung up, ports given
back, records written, exactly once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Coroutine
from typing import Any, TypeAlias

from trunkline.base.errors import CallFailed, MediaError, RemoteProtocolError, TransportError
from trunkline.base.ids import uuid7
from trunkline.base.story import Story, Value
from trunkline.call.bridge import Bridge
from trunkline.call.context import CallContext
from trunkline.call.fork import Fork
from trunkline.call.leg import Info, Leg
from trunkline.call.leg_media import LegMedia
from trunkline.call.leg_outcome import LegOutcome
from trunkline.call.party import Party
from trunkline.call.service import ServiceMedia
from trunkline.call.sip_leg import SipLeg
from trunkline.call.target import Target
from trunkline.media.commands import CloseOwner
from trunkline.media.offer_answer import Stream, check_answer, streams_of
from trunkline.net.flow import Flow
from trunkline.proto.sip.transaction.incoming import Incoming

Script: TypeAlias = Callable[["Call"], Coroutine[Any, Any, None]]


class Call:
    """One call from one caller. ``offer`` is what its INVITE carried (empty: it wants ours)."""

    def __init__(self, context: CallContext, tenant: str, caller: Party, callee: str, story: Story) -> None:
        self.context = context
        self.tenant = tenant
        self.id = uuid7()
        self.caller = caller
        self.callee = callee
        self.story = story
        self.started_at = context.wall()
        self.legs: list[Leg] = []
        self.fork: Fork | None = None
        self.bridge: Bridge | None = None
        self.service: ServiceMedia | None = None
        self.offer = b""
        self.offered: list[Stream] = []
        self.max_forwards = 70
        self.on_closed: Callable[[Call], None] = lambda _call: None
        self._over: asyncio.Future[None] = context.endpoint.loop.create_future()
        self._waits_for_over = False
        self._task: asyncio.Task[None] | None = None
        self._media_turn = asyncio.Lock()

    # Beginning

    def begin(self, incoming: Incoming, flow: Flow, script: Script) -> None:
        """Take the INVITE and start the script; raises RemoteProtocolError when it cannot make a call."""
        request = incoming.request
        self.max_forwards = request.max_forwards - 1
        self.offer = request.body
        self.offered = streams_of(self.offer) if self.offer else []
        wall = self.context.wall()
        media = self._new_media(flow)
        leg = SipLeg(
            self.context, self, media, LegOutcome("in", self.caller.number, self.callee, flow.token, wall)
        )
        leg.accept(incoming, flow)
        self.legs.append(leg)
        self._task = self.context.spawn(self._run(script))

    def _new_media(self, flow: Flow, profile: str = "transparent") -> LegMedia:
        return LegMedia(self.context.engine, self.id, self.context.media_for(flow), profile)

    @property
    def caller_leg(self) -> SipLeg:
        leg = self.legs[0]
        if not isinstance(leg, SipLeg):
            raise TypeError(f"the caller's leg is {leg.kind}, expected sip")
        return leg

    @property
    def held(self) -> bool:
        """Whether a party holds the call."""
        return self.bridge is not None and self.bridge.held

    async def _run(self, script: Script) -> None:
        try:
            await script(self)
        except CallFailed as failure:
            self._fail(failure)
        except (MediaError, RemoteProtocolError, TransportError) as error:
            status = error.status if isinstance(error, RemoteProtocolError) else 503
            self._fail(
                CallFailed(status, "Service Unavailable" if status == 503 else str(error), 38, "call.fault")
            )
            self.tell("call.fault", str(error))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._over.done() or task is None:
                raise
            task.uncancel()  # the caller left: the script ends here, the call is still to be closed
        finally:
            await self._close()

    # What scripts do

    def tell(self, code: str, text: str, **data: Value) -> None:
        """Add a step to the story."""
        self.story.add(self.context.endpoint.now(), code, text, **data)

    async def connect(self, targets: AsyncIterable[Target], ring_timeout_s: float | None = None) -> None:
        """Ring the targets and bridge the first that answers; returns when both talk.

        Raises CallFailed with what the caller is to be told when nobody answers.
        """
        caller = self.caller_leg
        await caller.media.open_for(self.offered, caller.media)
        self.fork = Fork(self, targets, ring_timeout_s or self.context.ring_timeout_s)
        try:
            callee, body = await self.fork.run()
        except CallFailed:
            self.fork = None
            raise
        async with self._media_turn:
            self.fork = None
            await self._join(callee, body)

    async def _join(self, callee: Leg, body: bytes) -> None:
        caller = self.caller_leg
        bridge = self.bridge = Bridge(self, caller, callee)
        if not self.offer:
            # RFC 3261 §13.2.1: the callee's 2xx offers, the caller's ACK answers; the callee's ACK waits for it.
            caller.answer(await bridge.late_offer(callee, caller, body))
        else:
            answered = check_answer(self.offered, body)
            await bridge.hear(caller, self.offered, callee, answered)
            caller.answer(caller.media.rewritten(body, len(answered)))
        self.tell("call.answered", f"{callee.outcome.target} answered, media is relayed")

    async def answer(self) -> ServiceMedia:
        """Answer the caller ourselves, for echo, tones and announcements; raises CallFailed(488) without codec."""
        self.service = ServiceMedia(self.caller_leg, self.context.engine)
        body = await self.service.agree(self.offer)
        self.caller_leg.answer(body)
        self.tell("call.answered", "answered here")
        return self.service

    async def over(self) -> None:
        """Wait until one party has hung up."""
        self._waits_for_over = True
        try:
            await asyncio.shield(self._over)
        finally:
            self._waits_for_over = False

    def hang_up(self, reason: str = "", code: str = "call.hangup") -> None:
        """End the call for all parties."""
        for leg in self.legs:
            if not leg.done:
                leg.hang_up(reason, code=code)
        self._leave()

    # What legs say (call.leg.LegObserver)

    async def dial(self, fork: Fork, target: Target, flow: Flow) -> None:
        """Start one branch of a fork."""
        media = self._new_media(flow, target.profile)
        body = b""
        if self.offer:
            await media.open_for(self.offered, self.caller_leg.media)
            body = media.rewritten(self.offer, len(self.offered))
        if fork.decided.done():
            return
        wall = self.context.wall()
        leg = SipLeg(
            self.context, self, media, LegOutcome("out", self.caller.number, self.callee, target.label, wall)
        )
        self.legs.append(leg)
        fork.branches.append(leg)
        self.tell("leg.invited", f"inviting {target.label}", flow=flow.token)
        leg.dial(
            target,
            flow,
            body,
            from_=self.caller.name_addr,
            to=f"<sip:{self.callee}@{self.caller.domain}>",
            extra=self.caller_leg.crossing_headers(),
            max_forwards=self.max_forwards,
            ring_s=target.ring_timeout_s or fork.ring_timeout_s,
        )

    def leg_progress(self, leg: Leg, status: int, body: bytes) -> None:
        if self.fork is None:
            return
        self.tell(
            "leg.ringing" if status == 180 else "leg.progress",
            f"{leg.outcome.target}: {status}",
            status=status,
        )
        if body and self.offer:
            self.context.spawn(self._early_media(leg, status, body))
        elif status != 199:
            # RFC 3960 and rule T-13: a 180 after a 183 is passed on too. 199 concerns one fork only (RFC 6228).
            self.caller_leg.progress(status, b"")

    async def _early_media(self, leg: Leg, status: int, body: bytes) -> None:
        async with self._media_turn:
            if self.fork is None or leg.done:
                return
            try:
                answered = check_answer(self.offered, body)
                await Bridge(self, self.caller_leg, leg).hear(self.caller_leg, self.offered, leg, answered)
                described = self.caller_leg.media.rewritten(body, len(answered))
            except (RemoteProtocolError, MediaError, CallFailed) as error:
                self.tell("media.early_refused", f"{leg.outcome.target}: {error}")
                described = b""
            self.caller_leg.progress(status, described)

    def leg_answered(self, leg: Leg, body: bytes) -> None:
        if self.fork is not None:
            self.fork.answered(leg, body)
        else:
            leg.hang_up(code="call.too_late")

    def leg_failed(self, leg: Leg, failure: CallFailed) -> None:
        self.tell(
            "leg.failed",
            f"{leg.outcome.target}: {leg.outcome.status} {leg.outcome.reason}",
            status=leg.outcome.status,
        )
        if self.fork is not None:
            self.fork.failed(failure)

    def leg_cancelled(self, leg: Leg) -> None:
        self.tell("call.cancelled", f"{self.caller.number} gave up")
        if self.fork is not None:
            self.fork.abandon(CallFailed(487, "Request Terminated", 16, "call.cancelled"))
        self._leave()

    def leg_acknowledged(self, leg: Leg, body: bytes) -> None:
        if self.bridge is not None:
            self.bridge.acknowledged(leg, body)
        elif self.service is not None:
            self.context.spawn(self.service.acknowledged(body))

    def leg_ended(self, leg: Leg, reason: str | None) -> None:
        outcome = leg.outcome
        who = {"caller": self.caller.number, "callee": outcome.target}.get(outcome.ended_by, "the exchange")
        self.tell(
            "call.ended", f"{who} hung up" if outcome.code == "call.hangup" else f"ended: {outcome.code}"
        )
        for other in self.legs:
            if other is not leg and not other.done:
                other.hang_up(reason or "", code=outcome.code)
                other.outcome.ended_by = outcome.ended_by
        self._leave()

    def leg_offer(self, leg: Leg, body: bytes) -> None:
        if self.bridge is not None:
            self.bridge.offered(leg, body)
        elif self.service is not None:
            self.context.spawn(self.service.offered(body))
        else:
            leg.refuse_offer(491)

    def leg_info(self, leg: Leg, info: Info) -> None:
        if self.bridge is not None:
            self.bridge.info(leg, info)
        else:
            info.answer(200)

    # Ending

    def _leave(self) -> None:
        if not self._over.done():
            self._over.set_result(None)
            if (
                self._task is not None
                and not self._waits_for_over
                and self._task is not asyncio.current_task()
            ):
                self._task.cancel()

    def _fail(self, failure: CallFailed) -> None:
        if not self.caller_leg.done:
            self.tell(
                "call.failed", f"{failure.status} {failure.reason}", status=failure.status, why=failure.code
            )
            if self.caller_leg.outcome.answered_at is None:
                self.caller_leg.refuse(failure)

    async def _close(self) -> None:
        for leg in self.legs:
            if not leg.done:
                if leg is self.legs[0] and leg.outcome.answered_at is None:
                    leg.refuse(CallFailed(480, "Temporarily Unavailable", 31, "call.no_decision"))
                leg.hang_up()
        if not self._over.done():
            self._over.set_result(None)
        await self._write_records()
        self.on_closed(self)

    async def _write_records(self) -> None:
        context = self.context
        quality: dict[str, dict[str, Any]] = {}
        if any(leg.media.ports for leg in self.legs):
            closed = await context.engine.execute(CloseOwner(self.id))
            quality = {figures.port: figures.to_dict() for figures in closed.statistics}
        story = self.story.as_list()
        for leg in self.legs:
            port = next((port for port in leg.media.ports if port is not None), "")
            record = leg.outcome.record(
                self.tenant, leg.id, self.id, quality.get(port), story if leg is self.legs[0] else None
            )
            context.recorder.append(record)
            if leg is self.legs[0]:
                context.on_call_over(record)
