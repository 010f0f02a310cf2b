"""A fork: several contacts ring, the first to answer wins, the others are cancelled.

Targets come from an asynchronous source, so that branches may join late: a phone woken by push, the next
carrier, the next agent of a queue. Nothing is decided against the caller while the source may still bring one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Final

from trunkline.base.errors import CallFailed, MediaError, RemoteProtocolError, TransportError
from trunkline.call.failures import best_of
from trunkline.call.leg import Leg
from trunkline.call.sip_leg import SipLeg
from trunkline.call.target import Target

if TYPE_CHECKING:
    from trunkline.call.call import Call

MAX_BRANCHES: Final = 32
# RFC 3326, and what phones look for so that they do not show a missed call (rule T-06).
ELSEWHERE: Final = 'SIP;cause=200;text="Call completed elsewhere"'


class Fork:
    """The outgoing legs of a call until one is answered."""

    __slots__ = ("_exhausted", "_source", "branches", "call", "decided", "failures", "ring_timeout_s")

    def __init__(self, call: Call, source: AsyncIterable[Target], ring_timeout_s: float) -> None:
        self.call = call
        self._source = source
        self.ring_timeout_s = ring_timeout_s
        self.branches: list[SipLeg] = []
        self.failures: list[CallFailed] = []
        self.decided: asyncio.Future[tuple[Leg, bytes]] = call.context.endpoint.loop.create_future()
        self._exhausted = False

    async def run(self) -> tuple[Leg, bytes]:
        """The leg that answered and its description; raises CallFailed when none will."""
        feeder = self.call.context.spawn(self._feed())
        try:
            return await self.decided
        finally:
            feeder.cancel()

    async def _feed(self) -> None:
        try:
            async for target in self._source:
                if self.decided.done() or len(self.branches) >= MAX_BRANCHES:
                    break
                await self._dial(target)
        finally:
            self._exhausted = True
            self._settle()

    async def _dial(self, target: Target) -> None:
        call = self.call
        try:
            flow = await call.context.flow_to(target)
            await call.dial(self, target, flow)
        except (CallFailed, MediaError, RemoteProtocolError, TransportError) as error:
            failure = (
                error
                if isinstance(error, CallFailed)
                else CallFailed(
                    488 if isinstance(error, RemoteProtocolError) else 503,
                    str(error),
                    38,
                    "call.branch_failed",
                )
            )
            call.tell("leg.not_dialled", f"{target.label}: {failure.reason}", status=failure.status)
            self.failures.append(failure)

    # What the call hands on from its legs

    def answered(self, leg: Leg, body: bytes) -> None:
        """The first answer wins; one that comes too late is hung up by its leg's owner."""
        if self.decided.done():
            leg.hang_up(ELSEWHERE, code="call.elsewhere")
            return
        self.decided.set_result((leg, body))
        for branch in self.branches:
            if branch is not leg and not branch.done:
                branch.hang_up(ELSEWHERE, code="call.elsewhere")

    def failed(self, failure: CallFailed) -> None:
        """One branch is out of the race; a 6xx ends it for all (RFC 3261 §16.7 item 5)."""
        self.failures.append(failure)
        if failure.status >= 600 and not self.decided.done():
            self.abandon(failure)
            return
        self._settle()

    def abandon(self, failure: CallFailed, reason: str = "") -> None:
        """End all branches: the caller gave up, or nothing can come of it any more."""
        if not self.decided.done():
            self.decided.set_exception(failure)
        for branch in self.branches:
            if not branch.done:
                branch.hang_up(reason, code=failure.code)

    def _settle(self) -> None:
        if self._exhausted and not self.decided.done() and all(branch.done for branch in self.branches):
            self.decided.set_exception(best_of(self.failures))
