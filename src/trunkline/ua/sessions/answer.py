"""The 2xx of an INVITE: its sender repeats it until the ACK comes (RFC 3261 §13.3.1.4, §14.2)."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.base.wheel import Alarm, TimerWheel
from trunkline.proto.sip.transaction import ServerInvite, Timings


class Answer(Alarm):
    """A 2xx on its way: resent from T1, doubling to T2, until ``stop`` or 64*T1 have passed.

    Made first and sent by ``begin``, so that its owner knows it when what it provokes comes back at once (a BYE that
    overtakes the ACK, RFC 5407 §3.1.4). Over reliable wires too: the 2xx may have crossed an unreliable hop behind a
    proxy.
    """

    __slots__ = ("cseq", "data", "deadline", "interval", "on_no_ack", "timings", "transaction", "wheel")

    def __init__(
        self,
        wheel: TimerWheel,
        timings: Timings,
        transaction: ServerInvite,
        data: bytes,
        cseq: int,
        on_no_ack: Callable[[], None],
        now: float,
    ) -> None:
        self.tick = -1  # as Alarm has it, without a call for each
        self.wheel = wheel
        self.timings = timings
        self.transaction = transaction
        self.data = data
        self.cseq = cseq
        self.on_no_ack = on_no_ack
        self.interval = timings.t1
        self.deadline = now + timings.give_up

    def begin(self, now: float) -> None:
        """Send it, the wait for its ACK being armed."""
        self.wheel.arm(self, now + self.interval)
        self.transaction.respond(200, self.data, now)

    def fire(self, now: float) -> None:
        if now >= self.deadline - 1e-9:
            self.stop()
            self.on_no_ack()
            return
        self.transaction.respond(200, self.data, now)
        self.interval = min(self.interval * 2, self.timings.t2)
        self.wheel.arm(self, min(now + self.interval, self.deadline))

    def stop(self) -> None:
        """The ACK is here, or nobody waits for it any more."""
        self.wheel.cancel(self)
        self.data = b""
