"""What the four machines share: a table for the behaviour, one alarm for all timers.

A table maps state and input to the next state and the actions on the way:

    TRANSITIONS[state][input] = (next_state, (action, ...))

An input that a state has no row for must stand in the machine's ``IGNORED``, so that nothing is forgotten
silently; a generic test checks that, and that every state can be reached and left.

Each transaction has one alarm. ``interval`` is the time to the next retransmission (0: none), ``deadline``
the end of the state's patience (0: none). Timers A, E and G are the interval; B, D, F, H, I, J, K, L and M
are the deadline, each armed by the action that enters its state.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeAlias

from trunkline.base.errors import TransportError
from trunkline.base.wheel import Alarm
from trunkline.proto.sip.message import Request, Response
from trunkline.proto.sip.wire import Wire

if TYPE_CHECKING:
    from trunkline.proto.sip.transaction.layer import TransactionLayer

Action: TypeAlias = Callable[[Any, Any, float], None]
Table: TypeAlias = dict[int, dict[int, tuple[int, tuple[Action, ...]]]]

# Inputs that all machines know; each machine adds its own from 10 on.
RESEND: Final = 0  # the interval is over: timers A, E, G
EXPIRE: Final = 1  # the deadline is reached: timers B, D, F, H, I, J, K, L, M
BROKEN: Final = 2  # the transport reports that a message was not sent


class Timings:
    """T1, T2 and T4 of RFC 3261 §17.1.1.1, in seconds."""

    __slots__ = ("give_up", "t1", "t2", "t4")

    def __init__(self, t1: float = 0.5, t2: float = 4.0, t4: float = 5.0) -> None:
        self.t1 = t1
        self.t2 = t2
        self.t4 = t4
        self.give_up = 64 * t1


class Failure(Enum):
    """Why a request got no final response."""

    TIMEOUT = "timeout"
    TRANSPORT = "transport"


class ClientUser(Protocol):
    """The transaction user of a client transaction."""

    def on_response(self, transaction: Any, response: Response, now: float) -> None:
        """A response; for INVITE also each retransmitted 2xx (RFC 6026 §7.2)."""
        ...

    def on_failure(self, transaction: Any, failure: Failure, now: float) -> None:
        """No final response will come (RFC 3261 §8.1.3.1: treat as 408 or 503)."""
        ...


class ServerUser(Protocol):
    """The transaction user of an INVITE server transaction."""

    def on_cancel(self, transaction: Any, cancel: Request, now: float) -> None:
        """The INVITE is to be ended with 487; the CANCEL itself is answered already."""
        ...


class Transaction(Alarm):
    """State, wire and the one alarm; subclasses bring the table."""

    __slots__ = ("deadline", "interval", "key", "layer", "state", "wire")

    TABLE: ClassVar[Table] = {}

    def __init__(self, layer: TransactionLayer, key: str, wire: Wire, state: int) -> None:
        self.tick = -1  # as Alarm has it, without a call for each
        self.layer = layer
        self.key = key
        self.wire = wire
        self.state = state
        self.interval = 0.0
        self.deadline = 0.0

    def step(self, what: int, argument: Any, now: float) -> None:
        """Run one input through the table; an input without a row is one the machine ignores."""
        row = self.TABLE[self.state].get(what)
        if row is None:
            return
        self.state = row[0]
        for action in row[1]:
            action(self, argument, now)

    def fire(self, now: float) -> None:
        # The wheel's ticks are exact to a microsecond; an alarm that took itself for early would never fire.
        if self.deadline and now >= self.deadline - 1e-6:
            self.deadline = self.interval = 0.0
            self.step(EXPIRE, None, now)
        elif self.interval:
            self.step(RESEND, None, now)

    def wait(self, now: float, interval: float, patience: float) -> None:
        """Arm the alarm: retransmit after ``interval`` (0: never), expire after ``patience`` (0: never)."""
        self.interval = interval
        self.deadline = due = now + patience if patience else 0.0
        if due and not interval:
            self.layer.wheel.arm(self, due)  # nearly always
        else:
            self.rearm(now)

    def rearm(self, now: float) -> None:
        """Arm for whatever is due first."""
        wheel = self.layer.wheel
        due = self.deadline
        if self.interval and (not due or now + self.interval < due):
            due = now + self.interval
        if due:
            wheel.arm(self, due)
        else:
            wheel.cancel(self)

    def failed(self, _error: TransportError) -> None:
        """The wire's callback. It comes without a time: the layer's last one is as good."""
        self.step(BROKEN, None, self.layer.now)
