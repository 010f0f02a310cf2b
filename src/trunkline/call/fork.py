"""A fork: several contacts ring, the first to answer wins, the others are cancelled.

Targets come from an asynchronous source, so that branches may join late: a phone woken by push, the next
carrier, the next agent of a queue. Nothing is decided against the caller while the source may bring one.

A target whose server fails goes on to the next server of its domain, as another branch (``call.trial``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from trunkline.base.errors import CallFailed, MediaError, RemoteProtocolError, TransportError
from trunkline.call.breadth import Breadth
from trunkline.call.failures import best_of, fault, passed_on
from trunkline.call.identity import shown_to
from trunkline.call.invitation import Errand
from trunkline.call.leg import Leg
from trunkline.call.sip_leg import SipLeg
from trunkline.call.target import StaticTargets, Target
from trunkline.call.trial import Trial
from trunkline.net.flow import Flow
from trunkline.proto.sip.escapes import escape_user
from trunkline.ua.next_hops import Ways

if TYPE_CHECKING:
    from trunkline.call.app_leg import AppSide
    from trunkline.call.call import Call

Winner: TypeAlias = tuple[Leg, bytes]

MAX_BRANCHES: Final = 32
# RFC 3326, and what phones look for so that they do not show a missed call (rule T-06).
ELSEWHERE: Final = 'SIP;cause=200;text="Call completed elsewhere"'


class Fork:
    """The outgoing legs of a call until one is answered."""

    __slots__ = (
        "_aside",
        "_breadth",
        "_exhausted",
        "_source",
        "_trials",
        "ack_later",
        "branches",
        "call",
        "decided",
        "errand",
        "failures",
        "ring_timeout_s",
    )

    def __init__(
        self,
        call: Call,
        source: AsyncIterable[Target],
        ring_timeout_s: float,
        errand: Errand | None = None,
    ) -> None:
        """``errand`` is what the call's own caller asked for, unless another is given."""
        self.call = call
        self.errand = errand or Errand(call.invitation, call.caller, call.callee, call.caller_leg.media)
        self._source = source
        self.ring_timeout_s = ring_timeout_s
        self.branches: list[Leg] = []
        self.failures: list[CallFailed] = []
        self.decided: asyncio.Future[Winner | CallFailed] = call.context.endpoint.loop.create_future()
        known = min(len(source.targets), MAX_BRANCHES) if isinstance(source, StaticTargets) else None
        self._breadth = Breadth(self.errand.asked.max_breadth, known, MAX_BRANCHES)
        self.ack_later = False  # whether the call says when the 2xx is acknowledged
        self._exhausted = False
        self._trials: dict[Leg, Trial] = {}  # of branches that may go on to another server
        self._aside: set[asyncio.Task[None]] = set()

    async def run(self) -> Winner:
        """The leg that answered and its description; raises CallFailed when none will."""
        feeder: asyncio.Task[None] | None = None
        decided = self.decided
        try:
            if isinstance(self._source, StaticTargets):
                await self._ring_all(self._source.targets)  # nothing is waited for, so no task is needed
            else:
                feeder = self.call.context.spawn(self._feed())
            outcome = await decided
        finally:
            for task in self._aside:
                task.cancel()
            if feeder is not None:
                feeder.cancel()
        if isinstance(outcome, CallFailed):
            raise outcome.anew()
        return outcome

    def take_up(self, branches: Sequence[Leg]) -> None:
        """Legs that rang, or had failed already, before our process began."""
        self.branches.extend(branches)
        for outcome in (leg.outcome for leg in branches if leg.done):
            self.failures.append(passed_on(outcome.status, outcome.reason, outcome.code))

    def hand_over(self) -> asyncio.Future[Winner | CallFailed]:
        """Whoever asks waits for the outcome, ``decided``, from now on.

        Returns what ``run`` waits for; its outcome is the asker's to set, or it is put back as ``decided``.
        """
        before, self.decided = self.decided, self.call.context.endpoint.loop.create_future()
        return before

    # Branches

    async def _ring_all(self, targets: Sequence[Target]) -> None:
        for target in targets[:MAX_BRANCHES]:
            if self.decided.done():
                break
            await self._ring(target)
        self._exhausted = True
        self._settle()

    async def _feed(self) -> None:
        targets = aiter(self._source)
        try:
            async for target in targets:
                if self._is_over:
                    break
                await self._ring(target)
        finally:
            self._exhausted = True
            self._settle()
            # A source that is a generator has things of its own to end: a push, a place in a queue.
            close = getattr(targets, "aclose", None)
            if close is not None:
                await close()

    @property
    def _is_alone(self) -> bool:
        return isinstance(self._source, StaticTargets) and len(self._source.targets) == 1

    @property
    def _is_over(self) -> bool:
        """Whether no more branches are wanted."""
        return self.decided.done() or len(self.branches) >= MAX_BRANCHES

    async def _ring(self, target: Target) -> None:
        if target.app is not None:
            await self._hand_over(target, target.app)
            return
        flow = self.call.context.flow_at_once(target)
        if flow is not None and not target.others:
            await self._dial(target, flow)
        elif flow is not None:
            await self._dial_next(Trial(target, Ways.down(flow), self._ring_until(target)))
        else:
            # A name server that takes its time must not keep the other targets from ringing.
            self._start_aside(self._look_up(target))

    def _start_aside(self, work: Coroutine[Any, Any, None]) -> None:
        task = self.call.context.spawn(work)
        self._aside.add(task)
        task.add_done_callback(self._aside_over)

    def _aside_over(self, task: asyncio.Task[None]) -> None:
        self._aside.discard(task)
        self._settle()

    async def _look_up(self, target: Target) -> None:
        ways = await self._ways_to(target)
        if ways is not None:
            await self._dial_next(Trial(target, ways, self._ring_until(target)))

    async def _ways_to(self, target: Target) -> Ways | None:
        try:
            return await self.call.context.ways_to(target, self.call.tell)
        except (RemoteProtocolError, TransportError) as error:
            self._not_dialled(target, None, error)
            return None

    def _ring_until(self, target: Target) -> float:
        return self.call.context.endpoint.now() + (target.ring_timeout_s or self.ring_timeout_s)

    async def _dial_next(self, trial: Trial) -> None:
        """Invite by the next way; what comes of it decides about the one after."""
        try:
            flow = trial.ways.next()
        except TransportError as error:
            self._not_dialled(trial.target, None, error)
            return
        if not self._is_over:
            await self._dial(trial.target, flow, trial)

    async def _dial_again(self, trial: Trial, failed: Leg) -> None:
        await failed.media.close()
        if not trial.ways.more:
            ways = await self._ways_to(trial.target)
            if ways is None:
                return
            trial.ways = ways
        await self._dial_next(trial)

    async def _dial(self, target: Target, flow: Flow, trial: Trial | None = None) -> None:
        leg = self._new_branch(target, flow)
        try:
            if trial is None:
                breadth = self._breadth.take()
            else:
                breadth = trial.breadth = trial.breadth or self._breadth.take()
                self._trials[leg] = trial
            await self._invite(leg, target, flow, breadth, trial)
        except (CallFailed, MediaError, RemoteProtocolError, TransportError) as error:
            self._not_dialled(target, leg, error)

    async def _hand_over(self, target: Target, side: AppSide) -> None:
        """An app takes the call, or not; nothing is sent to it from here."""
        leg = self.call.new_app_branch(target, side, self.errand)
        self.branches.append(leg)
        asked, body = self.errand.asked, b""
        try:
            if asked.offer:
                await leg.media.open_for(asked.streams, self.errand.media)
                body = leg.media.rewritten(asked.offer, len(asked.streams), offer=True)
        except (CallFailed, MediaError, RemoteProtocolError) as error:
            self.call.tell("leg.not_dialled", f"{target.label}: {error}")
            leg.give_up(fault(error))
            return
        if leg.done:
            return  # while its ports were opened, another answered or the caller left
        self.call.tell("leg.invited", f"handing the call to {target.label}")
        leg.dial(body, target.ring_timeout_s or self.ring_timeout_s)

    def _not_dialled(
        self,
        target: Target,
        leg: SipLeg | None,
        error: CallFailed | MediaError | RemoteProtocolError | TransportError,
    ) -> None:
        self.call.tell("leg.not_dialled", f"{target.label}: {error}")
        (leg or self._new_branch(target, None)).give_up(fault(error))

    def _new_branch(self, target: Target, flow: Flow | None) -> SipLeg:
        leg = self.call.new_branch(target, flow, self.errand)
        self.branches.append(leg)
        return leg

    async def _invite(
        self, leg: SipLeg, target: Target, flow: Flow, breadth: int, trial: Trial | None
    ) -> None:
        call, errand = self.call, self.errand
        asked = errand.asked
        body = b""
        if asked.offer:
            await leg.media.open_for(asked.streams, errand.media)
            body = leg.media.rewritten(asked.offer, len(asked.streams), offer=True)
        elif target.needs_offer:
            body = await leg.media.own_offer()
        if leg.done:
            return  # while its ports were opened, another answered or the caller left
        call.tell("leg.invited", f"inviting {target.label}", flow=flow.token)
        ring_s = target.ring_timeout_s or self.ring_timeout_s
        shown, identity = shown_to(errand.caller, target, call)
        leg.dial(
            target,
            flow,
            body,
            from_=shown,
            to=_to(target, errand),
            extra=f"{asked.headers}{identity}Max-Breadth: {breadth}\r\n",
            max_forwards=asked.max_forwards,
            ring_s=ring_s if trial is None else trial.ring_until - call.context.endpoint.now(),
            patience_s=0.0 if trial is None else trial.patience_s(call.context.next_hops.patience_s),
            like=target.like if trial is None else trial.like or target.like,
            # An offer that comes reliably is for one callee, and for a caller that can answer it so.
            reliable=bool(body) or (asked.takes_early_offer and self._is_alone),
            ack_later=self.ack_later,
        )
        if self.ack_later:
            call.keep()  # whoever rings for an app can still be cancelled after a crash
        if leg.detours:
            call.tell(
                "leg.by_tcp", f"the INVITE to {target.label} is too large for a datagram: it goes by TCP"
            )

    # What the call hands on from its legs

    def answered(self, leg: Leg, body: bytes) -> None:
        """The first answer wins; the others are cancelled, or hung up when they answered at the same time."""
        if self.decided.done():
            leg.hang_up(ELSEWHERE, code="call.elsewhere")
            return
        trial = self._trials.pop(leg, None)
        if trial is not None:
            trial.ways.answered()
        self.decided.set_result((leg, body))
        self._end_others(leg, ELSEWHERE, "call.elsewhere")

    def failed(self, leg: Leg, failure: CallFailed) -> None:
        """One branch is out of the race; a 6xx ends it for all (RFC 3261 §16.7 item 5)."""
        trial = self._trials.pop(leg, None)
        if (
            trial is not None
            and isinstance(leg, SipLeg)
            and trial.goes_on(leg, self.call.context.endpoint.now())
            and not self._is_over
        ):
            self._start_aside(self._dial_again(trial, leg))
            return
        self.failures.append(failure)
        if failure.status >= 600 and not self.decided.done():
            self.decided.set_result(failure)
            self._end_others(leg, "", "call.refused_elsewhere")
        self._settle()

    def _end_others(self, leg: Leg, reason: str, code: str) -> None:
        for branch in self.branches:
            if branch is not leg and not branch.done:
                branch.hang_up(reason, code=code)

    def _settle(self) -> None:
        over = self._exhausted and not self._aside and not self.decided.done()
        if over and all(branch.done for branch in self.branches):
            self.decided.set_result(best_of(self.failures))


def _to(target: Target, errand: Errand) -> str:
    """A peer is told whom it is to call (RFC 8224 §8.1), a phone what was dialled."""
    if target.callee:
        return target.callee
    if target.identity is not None:
        return f"<{target.uri}>"
    return f"<sip:{escape_user(errand.number)}@{errand.caller.domain}>"
