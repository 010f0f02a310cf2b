"""The non-INVITE client transaction: RFC 3261 §17.1.2, figure 6."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from trunkline.proto.sip.message import Response
from trunkline.proto.sip.transaction.client import ClientTransaction
from trunkline.proto.sip.transaction.machine import (
    BROKEN,
    EXPIRE,
    RESEND,
    ClientUser,
    Table,
)
from trunkline.proto.sip.wire import Wire

if TYPE_CHECKING:
    from trunkline.proto.sip.transaction.layer import TransactionLayer

TRYING: Final = 0
PROCEEDING: Final = 1
COMPLETED: Final = 2
TERMINATED: Final = 3

PROVISIONAL: Final = 10
FINAL: Final = 11

INPUTS: Final = (RESEND, EXPIRE, BROKEN, PROVISIONAL, FINAL)


class ClientNonInvite(ClientTransaction):
    """One request other than INVITE and ACK, over one wire. A CANCEL has no user: its answer is absorbed."""

    __slots__ = ()

    def __init__(
        self, layer: TransactionLayer, key: str, wire: Wire, data: bytes, user: ClientUser | None
    ) -> None:
        super().__init__(layer, key, wire, TRYING, data, user)

    def start(self, now: float) -> None:
        """Send the request (RFC 3261 §17.1.2.2): timer E over unreliable wires, timer F over all."""
        self.wait(now, 0.0 if self.wire.reliable else self.layer.timings.t1, self.layer.timings.give_up)
        self.wire.send(self.data, self.failed)

    def resend(self, _argument: None, now: float) -> None:
        self.wire.send(self.data, self.failed)
        # RFC 3261 §17.1.2.2: E doubles up to T2; in Proceeding it is T2 at once.
        t2 = self.layer.timings.t2
        self.interval = t2 if self.state == PROCEEDING else min(self.interval * 2, t2)
        self.rearm(now)

    def finish(self, response: Response, now: float) -> None:
        user, self.user = self.user, None
        self.data = b""
        if self.wire.reliable:  # timer K is 0
            self.state = TERMINATED
            self.leave(None, now)
        else:
            self.wait(now, 0.0, self.layer.timings.t4)
        if user is not None:
            user.on_response(self, response, now)

    TABLE: ClassVar[Table] = {
        TRYING: {
            RESEND: (TRYING, (resend,)),  # timer E
            EXPIRE: (TERMINATED, (ClientTransaction.time_out, ClientTransaction.leave)),  # timer F
            BROKEN: (TERMINATED, (ClientTransaction.give_up, ClientTransaction.leave)),
            PROVISIONAL: (PROCEEDING, (ClientTransaction.pass_up,)),
            FINAL: (COMPLETED, (finish,)),
        },
        PROCEEDING: {
            RESEND: (PROCEEDING, (resend,)),
            EXPIRE: (TERMINATED, (ClientTransaction.time_out, ClientTransaction.leave)),
            BROKEN: (TERMINATED, (ClientTransaction.give_up, ClientTransaction.leave)),
            PROVISIONAL: (PROCEEDING, (ClientTransaction.pass_up,)),
            FINAL: (COMPLETED, (finish,)),
        },
        COMPLETED: {
            EXPIRE: (TERMINATED, (ClientTransaction.leave,)),  # timer K
        },
        TERMINATED: {},
    }


IGNORED: Final = {
    (COMPLETED, RESEND): "nothing is retransmitted here",
    (COMPLETED, BROKEN): "the request was answered",
    (COMPLETED, PROVISIONAL): "late, out of order",
    (COMPLETED, FINAL): "a retransmitted response is absorbed, §17.1.2.2",
}
