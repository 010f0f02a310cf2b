"""The INVITE client transaction: RFC 3261 §17.1.1, figure 5, with RFC 6026 §7.2 and figure 1.

Rules on top: ACK of a non-2xx is ours, ACK of a 2xx is the user's; CANCEL waits for a provisional
(RFC 3261 §9.1); a cancelled INVITE that gets no final response ends after 64*T1 (§9.1, last paragraph).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from trunkline.proto.sip.draft import Draft
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

CALLING: Final = 0
PROCEEDING: Final = 1
ACCEPTED: Final = 2
COMPLETED: Final = 3
TERMINATED: Final = 4

PROVISIONAL: Final = 10  # 100..199
SUCCESS: Final = 11  # 200..299
FAILURE: Final = 12  # 300..699

TIMER_D_S: Final = 32.0  # RFC 3261 §17.1.1.2: at least 32 s over unreliable transports, 0 over reliable ones

INPUTS: Final = (RESEND, EXPIRE, BROKEN, PROVISIONAL, SUCCESS, FAILURE)


class ClientInvite(ClientTransaction):
    """One INVITE that we sent, over one wire."""

    __slots__ = ("cancel_extra", "draft", "via")

    def __init__(
        self,
        layer: TransactionLayer,
        key: str,
        wire: Wire,
        draft: Draft,
        via: str,
        user: ClientUser,
        data: bytes = b"",
    ) -> None:
        super().__init__(layer, key, wire, CALLING, data, user)
        self.draft: Draft | None = draft
        self.via = via
        self.cancel_extra: str | None = None

    def start(self, now: float) -> None:
        """Send the INVITE (RFC 3261 §17.1.1.2): timer A over unreliable wires, timer B over all."""
        self.wait(now, 0.0 if self.wire.reliable else self.layer.timings.t1, self.layer.timings.give_up)
        self.wire.send(self.data, self.failed)

    def cancel(self, now: float, extra: str = "") -> None:
        """End the INVITE, unless it is over; ``extra`` holds finished header lines, such as Reason.

        RFC 3261 §9.1: no CANCEL before a provisional response; it is then sent when one comes.
        """
        if self.cancel_extra is not None or self.state not in {CALLING, PROCEEDING}:
            return
        self.cancel_extra = extra
        if self.state == PROCEEDING:
            self._send_cancel(now)

    def _send_cancel(self, now: float) -> None:
        if self.draft is None or self.cancel_extra is None:
            return
        data = self.draft.render_cancel(self.via, self.cancel_extra)
        self.layer.send_cancel(self.key, self.wire, data, now)
        self.wait(now, 0.0, self.layer.timings.give_up)

    def on_provisional(self, response: Response, now: float) -> None:
        self.data = b""
        if self.cancel_extra is None:
            self.wait(now, 0.0, 0.0)
        if self.user is not None:
            self.user.on_response(self, response, now)

    def cancel_if_asked(self, _response: Response, now: float) -> None:
        if self.cancel_extra is not None:
            self._send_cancel(now)

    def resend(self, _argument: None, now: float) -> None:
        # RFC 3261 §17.1.1.2: timer A doubles without a ceiling, B ends it.
        self.wire.send(self.data, self.failed)
        self.interval *= 2
        self.rearm(now)

    def acknowledge(self, response: Response, _now: float) -> None:
        """RFC 3261 §17.1.1.3: ACK each final response that is not a 2xx, the retransmitted ones too."""
        if self.draft is not None:
            self.data = self.draft.render_ack(self.via, response.headers["To"])
            self.draft = None
        self.wire.send(self.data, self.failed)

    def enter_accepted(self, _response: Response, now: float) -> None:
        self.data = b""
        self.draft = None
        self.wait(now, 0.0, self.layer.timings.give_up)  # Timer M, RFC 6026 §7.2

    def enter_completed(self, _response: Response, now: float) -> None:
        self.user = None
        if self.wire.reliable:
            self.state = TERMINATED
            self.leave(None, now)
        else:
            self.wait(now, 0.0, TIMER_D_S)

    def leave(self, argument: None, now: float) -> None:
        self.draft = None
        super().leave(argument, now)

    TABLE: ClassVar[Table] = {
        CALLING: {
            RESEND: (CALLING, (resend,)),  # timer A
            EXPIRE: (TERMINATED, (ClientTransaction.time_out, leave)),  # timer B
            BROKEN: (TERMINATED, (ClientTransaction.give_up, leave)),  # §17.1.4
            PROVISIONAL: (PROCEEDING, (on_provisional, cancel_if_asked)),
            SUCCESS: (ACCEPTED, (enter_accepted, ClientTransaction.pass_up)),  # RFC 6026 §7.2
            FAILURE: (COMPLETED, (acknowledge, ClientTransaction.pass_up, enter_completed)),
        },
        PROCEEDING: {
            EXPIRE: (
                TERMINATED,
                (ClientTransaction.time_out, leave),
            ),  # §9.1: cancelled, and no final response
            BROKEN: (TERMINATED, (ClientTransaction.give_up, leave)),
            PROVISIONAL: (PROCEEDING, (on_provisional,)),
            SUCCESS: (ACCEPTED, (enter_accepted, ClientTransaction.pass_up)),
            FAILURE: (COMPLETED, (acknowledge, ClientTransaction.pass_up, enter_completed)),
        },
        ACCEPTED: {
            SUCCESS: (
                ACCEPTED,
                (ClientTransaction.pass_up,),
            ),  # RFC 6026 §7.2: repeated or forked
            EXPIRE: (TERMINATED, (leave,)),  # timer M
        },
        COMPLETED: {
            FAILURE: (COMPLETED, (acknowledge,)),
            EXPIRE: (TERMINATED, (leave,)),  # timer D
            BROKEN: (TERMINATED, (leave,)),
        },
        TERMINATED: {},
    }


IGNORED: Final = {
    (PROCEEDING, RESEND): "a provisional stops timer A",
    (ACCEPTED, RESEND): "nothing is retransmitted here",
    (ACCEPTED, BROKEN): "the ACK is the user's",
    (ACCEPTED, PROVISIONAL): "late, out of order",
    (ACCEPTED, FAILURE): "a fork that lost against the 2xx",
    (COMPLETED, RESEND): "nothing is retransmitted by timer here",
    (COMPLETED, PROVISIONAL): "late, out of order",
    (COMPLETED, SUCCESS): "a 2xx after a final failure of the same hop breaks RFC 3261 §17.1.1.2",
}
