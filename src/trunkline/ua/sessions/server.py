"""A call that came in: the UAS side of an INVITE session (RFC 3261 §13.3, §9.2, §15; RFC 5407 §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from trunkline.base.errors import LocalProtocolError
from trunkline.net.flow import Flow
from trunkline.proto.sip.dialog import Dialog
from trunkline.proto.sip.draft import header_lines, render_response
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.transaction import ServerInvite
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.proto.sip.transaction.machine import Table
from trunkline.proto.sip.uri import is_sips
from trunkline.ua.sessions.answer import Answer
from trunkline.ua.sessions.inputs import BYE_DONE, BYE_RECEIVED, HANG_UP, LOST
from trunkline.ua.sessions.reliable import Reliable, reliably
from trunkline.ua.sessions.session import Session, SessionUser
from trunkline.ua.sessions.session_timer import accept
from trunkline.ua.sessions.update import allows_update

if TYPE_CHECKING:
    from trunkline.ua.endpoint import Endpoint

OFFERED: Final = 0  # INVITE here, nothing final sent
ANSWERED: Final = 1  # 2xx sent, ACK awaited
LEAVING: Final = 2  # to be hung up, ACK awaited
CONFIRMED: Final = 3
ENDING: Final = 4  # BYE sent
ENDED: Final = 5

PROGRESS: Final = 10
ANSWER: Final = 11
REFUSE: Final = 12
CANCELLED: Final = 13
ACK: Final = 14
NO_ACK: Final = 15
NO_PRACK: Final = 16

INPUTS: Final = (
    HANG_UP, BYE_RECEIVED, BYE_DONE, LOST, PROGRESS, ANSWER, REFUSE, CANCELLED, ACK, NO_ACK, NO_PRACK,
)  # fmt: skip


class ServerSession(Session):
    """An INVITE that a door claimed; its transaction has answered 100 already, or with ``hold`` waits for ``trying``.

    ``request`` is the INVITE; it is let go when the session is confirmed.
    """

    __slots__ = ("answer_on_way", "local_tag", "reliable", "request_", "transaction")

    CONFIRMED = CONFIRMED
    ENDING = ENDING
    ENDED = ENDED

    def __init__(
        self, endpoint: Endpoint, incoming: Incoming, flow: Flow, user: SessionUser, *, hold: bool = False
    ) -> None:
        """Raises RemoteProtocolError when the INVITE cannot create a dialog; nothing is kept then."""
        super().__init__(endpoint, flow, user, OFFERED)
        if is_sips(incoming.request.uri):
            self.contact = endpoint.contact(flow, sips=True)
        self.local_tag = endpoint.ids.tag()
        request = incoming.request
        dialog = Dialog.of_request(request, self.local_tag, flow.token)
        self.dialog = dialog
        self.request_: Request | None = request
        if "Allow" in request.headers:
            self.takes_update = allows_update(request)
        self.answer_on_way: Answer | None = None
        self.reliable: Reliable | None = None  # once a provisional was sent so
        self.transaction: ServerInvite | None = (transaction := incoming.begin_invite(hold=hold))
        transaction.user = self
        transaction.to_tag = self.local_tag
        endpoint.remember(dialog.key, self)

    @classmethod
    def bare(cls, endpoint: Endpoint, flow: Flow, user: SessionUser, state: int, local_tag: str) -> Self:
        """A session whose INVITE is yet to be put in, or over: for whoever restores one."""
        session = cls.__new__(cls)
        Session.__init__(session, endpoint, flow, user, state)
        session.local_tag = local_tag
        session.request_ = None
        session.answer_on_way = None
        session.reliable = None
        session.transaction = None
        return session

    @property
    def invite(self) -> Request:
        """The INVITE, while it is unanswered or unacknowledged."""
        if self.request_ is None:
            raise LocalProtocolError("the INVITE is let go once it is acknowledged")
        return self.request_

    # What users do

    def trying(self) -> None:
        """Send the 100 that was held, unless something else went since."""
        if self.transaction is not None:
            self.transaction.let_go(self.endpoint.now())

    def progress(
        self, status: int = 180, body: bytes = b"", extra: str = "", *, followed: bool = False
    ) -> None:
        """Send 101..199, with SDP for early media; ``followed``: it passes on a reliable one (RFC 3262)."""
        self.step(PROGRESS, (status, body, extra, followed))

    def answer(self, body: bytes, extra: str = "") -> None:
        """Send 200 and repeat it until the ACK comes; after the PRACK of a description that is on its way."""
        if self.state == OFFERED and self.reliable is not None and self.reliable.holds(body, extra):
            return
        self.step(ANSWER, (body, extra))

    def refuse(self, status: int, reason: str = "", extra: str = "") -> None:
        """Send 300..699."""
        self.step(REFUSE, (status, reason, extra))

    # What the layer and the endpoint deliver

    def on_cancel(self, _transaction: Any, cancel: Request, _now: float) -> None:
        self.step(CANCELLED, cancel)

    def receive_ack(self, ack: Request) -> None:
        answer = self.answer_on_way
        if answer is not None and ack.cseq[0] == answer.cseq:
            self.step(ACK, ack)
        else:
            super().receive_ack(ack)

    def receive_prack(self, incoming: Incoming) -> None:
        if self.reliable is not None:
            self.reliable.receive(incoming)
        else:
            super().receive_prack(incoming)

    @property
    def holds_answer(self) -> bool:
        """Whether the 2xx waits for a PRACK."""
        return self.reliable is not None and self.reliable.held is not None

    def give_up_prack(self) -> None:
        """No PRACK came in 64*T1."""
        self.step(NO_PRACK)

    def has_agreed(self, dialog: Dialog) -> bool:
        return self.acked or (self.reliable is not None and self.reliable.agreed)

    # Actions

    def send_progress(self, argument: tuple[int, bytes, str, bool], now: float) -> None:
        status, body, extra, followed = argument
        if reliably(self.invite, self.endpoint.reliable_provisionals, followed=followed):
            if self.reliable is None:
                self.reliable = Reliable(self)
            if self.reliable.send(status, body, extra, now):
                return
        if self.reliable is not None and self.reliable.described:
            body = b""
        self._respond(status, "", self.dialog_headers() + extra, body, now)

    def send_answer(self, argument: tuple[bytes, str], now: float) -> None:
        body, extra = argument
        if self.dialog is None or self.transaction is None:
            return
        self.dialog.early = False
        if self.reliable is not None:
            self.reliable.silence()
            if self.reliable.described:
                body = b""  # RFC 3261 §13.2.1: it was in a reliable provisional, and counts
        invite, endpoint = self.invite, self.endpoint
        data = render_response(
            invite,
            200,
            self.local_tag,
            extra=self.dialog_headers() + endpoint.capabilities + accept(self, invite) + extra,
            body=body,
        )
        # The wait for the ACK is armed before anything is sent that could bring a BYE (RFC 5407 §3.1.4).
        self.answer_on_way = Answer(
            endpoint.wheel,
            endpoint.layer.timings,
            self.transaction,
            data,
            invite.cseq[0],
            self._no_ack,
            now,
        )
        self.answer_on_way.begin(now)

    def _no_ack(self) -> None:
        self.step(NO_ACK)

    def send_refusal(self, argument: tuple[int, str, str], now: float) -> None:
        status, reason, extra = argument
        self._respond(status, reason, extra, b"", now)

    def send_no_prack(self, _argument: Any, now: float) -> None:
        self._respond(504, "", "", b"", now)

    def send_terminated(self, _argument: Any, now: float) -> None:
        self._respond(487, "", "", b"", now)

    def refuse_unavailable(self, extra: str, now: float) -> None:
        self._respond(480, "", extra, b"", now)

    def take_ack(self, ack: Request, _now: float) -> None:
        self._stop_answer()
        self.acked = True
        self.request_ = None
        self.transaction = None
        self.user.on_acknowledged(self, ack)

    def stop_answer(self, _argument: Any, _now: float) -> None:
        self._stop_answer()
        self.transaction = None

    def tell_cancelled(self, request: Request, _now: float) -> None:
        self.user.on_cancelled(self, request)

    def tell_no_ack(self, _argument: Any, _now: float) -> None:
        self.user.on_ended(self, "no-ack", None)

    def tell_no_prack(self, _argument: Any, _now: float) -> None:
        self.user.on_ended(self, "no-prack", None)

    def release(self, argument: Any, now: float) -> None:
        self._stop_answer()
        if self.reliable is not None:
            self.reliable.silence()
        self.transaction = None
        self.request_ = None
        self.close(argument, now)

    def _stop_answer(self) -> None:
        if self.answer_on_way is not None:
            self.answer_on_way.stop()
            self.answer_on_way = None

    def dialog_headers(self) -> str:
        """What a response that makes a dialog carries (RFC 3261 §12.1.1)."""
        routes = self.invite.headers.get("Record-Route")
        contact = f"Contact: {self.contact}\r\n"
        return contact if routes is None else header_lines("Record-Route", routes) + contact

    def _respond(self, status: int, reason: str, extra: str, body: bytes, now: float) -> None:
        if self.transaction is not None:
            data = render_response(self.invite, status, self.local_tag, reason=reason, extra=extra, body=body)
            self.transaction.respond(status, data, now)

    TABLE: ClassVar[Table] = {
        OFFERED: {
            PROGRESS: (OFFERED, (send_progress,)),
            ANSWER: (ANSWERED, (send_answer,)),
            REFUSE: (ENDED, (send_refusal, release)),
            HANG_UP: (ENDED, (refuse_unavailable, release)),
            CANCELLED: (ENDED, (send_terminated, tell_cancelled, release)),  # §9.2
            # §15.1.2: a caller may leave its early dialog by BYE; the INVITE still wants a final response.
            BYE_RECEIVED: (ENDED, (send_terminated, tell_cancelled, release)),
            NO_PRACK: (ENDED, (send_no_prack, tell_no_prack, release)),  # RFC 3262 §3
        },
        ANSWERED: {
            ACK: (CONFIRMED, (take_ack,)),
            NO_ACK: (ENDING, (tell_no_ack, Session.send_bye, stop_answer)),  # §13.3.1.4
            BYE_RECEIVED: (ENDED, (Session.tell_bye, release)),  # RFC 5407 §3.1.4: BYE overtook the ACK
            HANG_UP: (LEAVING, (Session.tell_hung_up,)),  # §15: no BYE before the ACK
            LOST: (ENDING, (Session.tell_lost, Session.send_bye, stop_answer)),
        },
        LEAVING: {
            ACK: (ENDING, (stop_answer, Session.send_bye)),
            NO_ACK: (ENDING, (Session.send_bye, stop_answer)),
            BYE_RECEIVED: (ENDED, (release,)),
        },
        CONFIRMED: {
            HANG_UP: (ENDING, (Session.tell_hung_up, Session.send_bye)),
            BYE_RECEIVED: (ENDED, (Session.tell_bye, release)),
            LOST: (ENDING, (Session.tell_lost, Session.send_bye)),  # §12.2.1.2
        },
        ENDING: {
            BYE_DONE: (ENDED, (release,)),
            BYE_RECEIVED: (ENDED, (release,)),  # RFC 5407 §3.2.1: both hung up
        },
        ENDED: {},
    }


IGNORED: Final = {
    (OFFERED, BYE_DONE): "no BYE was sent",
    (OFFERED, LOST): "no request of ours is out",
    (OFFERED, ACK): "nothing was answered",
    (OFFERED, NO_ACK): "nothing was answered",
    (ANSWERED, PROGRESS): "too late",
    (ANSWERED, ANSWER): "answered already",
    (ANSWERED, REFUSE): "answered already: hang up instead",
    (ANSWERED, CANCELLED): "§9.2: a CANCEL has no effect on an answered INVITE",
    (ANSWERED, BYE_DONE): "no BYE was sent",
    (LEAVING, HANG_UP): "on its way",
    (LEAVING, LOST): "on its way",
    (LEAVING, BYE_DONE): "no BYE was sent",
    (LEAVING, PROGRESS): "too late",
    (LEAVING, ANSWER): "too late",
    (LEAVING, REFUSE): "too late",
    (LEAVING, CANCELLED): "answered",
    (CONFIRMED, PROGRESS): "too late",
    (CONFIRMED, ANSWER): "answered already",
    (CONFIRMED, REFUSE): "answered already",
    (CONFIRMED, CANCELLED): "answered already",
    (CONFIRMED, ACK): "a retransmitted ACK",
    (CONFIRMED, NO_ACK): "the ACK came",
    (CONFIRMED, BYE_DONE): "no BYE was sent",
    (ENDING, HANG_UP): "on its way",
    (ENDING, LOST): "on its way",
    (ENDING, PROGRESS): "too late",
    (ENDING, ANSWER): "too late",
    (ENDING, REFUSE): "too late",
    (ENDING, CANCELLED): "too late",
    (ENDING, ACK): "late",
    (ENDING, NO_ACK): "given up already",
    (ANSWERED, NO_PRACK): "nothing is repeated once it is answered",
    (LEAVING, NO_PRACK): "nothing is repeated once it is answered",
    (CONFIRMED, NO_PRACK): "nothing is repeated once it is answered",
    (ENDING, NO_PRACK): "nothing is repeated once it is answered",
}
