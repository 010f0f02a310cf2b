"""The non-INVITE server transaction: RFC 3261 §17.2.2, figure 8, with RFC 4320 (no late provisionals)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from trunkline.proto.sip.transaction.machine import BROKEN, EXPIRE, RESEND, Table, Transaction
from trunkline.proto.sip.wire import Wire

if TYPE_CHECKING:
    from trunkline.proto.sip.transaction.layer import TransactionLayer

TRYING: Final = 0
COMPLETED: Final = 1
TERMINATED: Final = 2

AGAIN: Final = 10  # the request, retransmitted
SEND_FINAL: Final = 11

INPUTS: Final = (RESEND, EXPIRE, BROKEN, AGAIN, SEND_FINAL)


class ServerNonInvite(Transaction):
    """One request other than INVITE, ACK and CANCEL that we received and answer once.

    Figure 8's Proceeding is left out: RFC 4320 §4.1 forbids provisionals but a late 100, which we never need.
    """

    __slots__ = ("data",)

    def __init__(self, layer: TransactionLayer, key: str, wire: Wire) -> None:
        super().__init__(layer, key, wire, TRYING)
        self.data = b""

    def start(self, now: float) -> None:
        """A user that never answers leaves no transaction behind: after 64*T1 the peer has given up."""
        self.wait(now, 0.0, self.layer.timings.give_up)

    def respond(self, status: int, data: bytes, now: float) -> None:
        """Send the final response (200..699); only the first counts."""
        if status >= 200:
            self.step(SEND_FINAL, data, now)

    def send_final(self, data: bytes, now: float) -> None:
        self.wire.send(data, self.failed)
        if self.wire.reliable:  # timer J is 0
            self.state = TERMINATED
            self.leave(None, now)
        else:
            self.data = data
            self.wait(now, 0.0, self.layer.timings.give_up)

    def repeat(self, _argument: object, _now: float) -> None:
        self.wire.send(self.data, self.failed)

    def leave(self, _argument: object, _now: float) -> None:
        self.data = b""
        self.layer.remove_server(self)

    TABLE: ClassVar[Table] = {
        TRYING: {
            SEND_FINAL: (COMPLETED, (send_final,)),
            EXPIRE: (TERMINATED, (leave,)),
        },
        COMPLETED: {
            AGAIN: (COMPLETED, (repeat,)),
            EXPIRE: (TERMINATED, (leave,)),  # timer J
            BROKEN: (TERMINATED, (leave,)),
        },
        TERMINATED: {},
    }


IGNORED: Final = {
    (TRYING, RESEND): "no timer of this kind",
    (TRYING, BROKEN): "nothing was sent",
    (TRYING, AGAIN): "discarded until there is an answer, §17.2.2",
    (COMPLETED, RESEND): "no timer of this kind",
    (COMPLETED, SEND_FINAL): "one final response",
}
