"""The INVITE server transaction: RFC 3261 §17.2.1, figure 7, with RFC 6026 §7.1 and figure 2.

Rules on top: the 2xx and its retransmissions are the user's; here they are only sent. The ACK of a 2xx goes
to the user, the ACK of any other final response ends here. The 100 may be held for a while, and with it all other
provisionals: who has heard none sends its INVITE again, to whatever process is there by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from trunkline.proto.sip.message import Request
from trunkline.proto.sip.transaction.machine import BROKEN, EXPIRE, RESEND, ServerUser, Table, Transaction
from trunkline.proto.sip.wire import Wire

if TYPE_CHECKING:
    from trunkline.proto.sip.transaction.layer import TransactionLayer

PROCEEDING: Final = 0
ACCEPTED: Final = 1
COMPLETED: Final = 2
CONFIRMED: Final = 3
TERMINATED: Final = 4

AGAIN: Final = 10  # the INVITE, retransmitted
SEND_PROVISIONAL: Final = 11
SEND_SUCCESS: Final = 12
SEND_FAILURE: Final = 13
ACK: Final = 14

HOLD_S: Final = 0.15
"""How long a 100 is held at most: it is due within 200 ms."""
MOST_HELD: Final = 8

INPUTS: Final = (RESEND, EXPIRE, BROKEN, AGAIN, SEND_PROVISIONAL, SEND_SUCCESS, SEND_FAILURE, ACK)


class ServerInvite(Transaction):
    """One INVITE that we received.

    ``short_key`` is its branch alone; ``merge_key`` finds merged requests (RFC 3261 §8.2.2.2): Call-ID, From
    tag, CSeq number and Request-URI.
    """

    __slots__ = ("data", "held", "merge_key", "short_key", "to_tag", "user")

    def __init__(
        self,
        layer: TransactionLayer,
        key: str,
        wire: Wire,
        short_key: str,
        merge_key: tuple[str, str, int, str],
    ) -> None:
        super().__init__(layer, key, wire, PROCEEDING)
        self.short_key = short_key
        self.merge_key = merge_key
        self.data = b""
        self.held: tuple[bytes, ...] = ()  # provisionals that take the place of a 100 that is held
        self.user: ServerUser | None = None
        self.to_tag: str | None = None  # that of the user's responses: the answer to a CANCEL has the same

    def respond(self, status: int, data: bytes, now: float) -> None:
        """Send a response that the user rendered; out of order ones are dropped by the table."""
        what = SEND_PROVISIONAL if status < 200 else SEND_SUCCESS if status < 300 else SEND_FAILURE
        self.step(what, data, now)

    def hold(self, trying: bytes, now: float) -> None:
        """Keep the 100 and other provisionals back until ``let_go``, a final answer, or their time."""
        self.data = trying
        self.wait(now, 0.0, HOLD_S)

    def let_go(self, now: float) -> None:
        """Send what is held: the 100, or the provisionals that came meanwhile."""
        if self.state == PROCEEDING and self.deadline:
            self.wait(now, 0.0, 0.0)
            self.step(EXPIRE, None, now)

    def send_provisional(self, data: bytes, _now: float) -> None:
        self.data = data
        if not self.deadline:
            self.wire.send(data, self.failed)
        elif self.held[-1:] != (data,):  # many phones ring at once
            self.held = (*self.held, data)[-MOST_HELD:]

    def release(self, _argument: object, _now: float) -> None:
        held, self.held = self.held or (self.data,), ()
        for data in held:
            self.wire.send(data, self.failed)

    def send_success(self, data: bytes, now: float) -> None:
        self.data, self.held = b"", ()
        self.user = None
        self.wire.send(data)
        self.wait(now, 0.0, self.layer.timings.give_up)  # Timer L, RFC 6026 §7.1

    def send_again(self, data: bytes, _now: float) -> None:
        self.wire.send(data)

    def send_failure(self, data: bytes, now: float) -> None:
        self.data, self.held = data, ()
        self.user = None
        self.wire.send(data, self.failed)
        # Timers G (unreliable wires only) and H, RFC 3261 §17.2.1.
        self.wait(now, 0.0 if self.wire.reliable else self.layer.timings.t1, self.layer.timings.give_up)

    def repeat_provisional(self, _argument: object, _now: float) -> None:
        if self.data and not self.deadline:
            self.wire.send(self.data, self.failed)

    def repeat(self, _argument: object, _now: float) -> None:
        if self.data:
            self.wire.send(self.data, self.failed)

    def resend(self, _argument: object, now: float) -> None:
        self.wire.send(self.data, self.failed)
        self.interval = min(self.interval * 2, self.layer.timings.t2)
        self.rearm(now)

    def absorb_acks(self, _ack: Request, now: float) -> None:
        self.data = b""
        if self.wire.reliable:  # timer I is 0
            self.state = TERMINATED
            self.leave(None, now)
        else:
            self.wait(now, 0.0, self.layer.timings.t4)

    def pass_ack(self, ack: Request, now: float) -> None:
        self.layer.core.on_ack(ack, self.wire, now)

    def leave(self, _argument: object, _now: float) -> None:
        self.user = None
        self.data = b""
        self.layer.remove_server_invite(self)

    TABLE: ClassVar[Table] = {
        PROCEEDING: {
            AGAIN: (PROCEEDING, (repeat_provisional,)),
            EXPIRE: (PROCEEDING, (release,)),  # it was held long enough
            SEND_PROVISIONAL: (PROCEEDING, (send_provisional,)),
            SEND_SUCCESS: (ACCEPTED, (send_success,)),
            SEND_FAILURE: (COMPLETED, (send_failure,)),
        },
        ACCEPTED: {
            SEND_SUCCESS: (ACCEPTED, (send_again,)),  # RFC 6026 §7.1: the user retransmits its 2xx
            ACK: (ACCEPTED, (pass_ack,)),
            EXPIRE: (TERMINATED, (leave,)),  # timer L
        },
        COMPLETED: {
            AGAIN: (COMPLETED, (repeat,)),
            RESEND: (COMPLETED, (resend,)),  # timer G
            ACK: (CONFIRMED, (absorb_acks,)),
            EXPIRE: (TERMINATED, (leave,)),  # timer H: no ACK came; nothing depends on it
            BROKEN: (TERMINATED, (leave,)),
        },
        CONFIRMED: {
            EXPIRE: (TERMINATED, (leave,)),  # timer I
        },
        TERMINATED: {},
    }


IGNORED: Final = {
    (PROCEEDING, RESEND): "no timer runs here",
    (PROCEEDING, BROKEN): "a lost provisional is repeated when the INVITE is",
    (PROCEEDING, ACK): "nothing was answered yet",
    (ACCEPTED, AGAIN): "RFC 6026 §7.1: absorbed, the user retransmits the 2xx",
    (ACCEPTED, RESEND): "the user retransmits",
    (ACCEPTED, BROKEN): "the user retransmits until the ACK",
    (ACCEPTED, SEND_PROVISIONAL): "too late",
    (ACCEPTED, SEND_FAILURE): "too late",
    (COMPLETED, SEND_PROVISIONAL): "too late",
    (COMPLETED, SEND_SUCCESS): "too late",
    (COMPLETED, SEND_FAILURE): "one final response",
    (CONFIRMED, AGAIN): "the final response was acknowledged",
    (CONFIRMED, RESEND): "acknowledged",
    (CONFIRMED, BROKEN): "acknowledged",
    (CONFIRMED, SEND_PROVISIONAL): "too late",
    (CONFIRMED, SEND_SUCCESS): "too late",
    (CONFIRMED, SEND_FAILURE): "one final response",
    (CONFIRMED, ACK): "a retransmitted ACK is absorbed",
}
