"""What both sides of an INVITE session share: the table's engine, requests within the dialog, BYE.

    TABLE[state][input] = (next_state, (action, ...))      as in ``proto.sip.transaction.machine``

The sections named beside the rows of the two tables are those of RFC 3261 and RFC 5407 (race conditions).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from trunkline.base.errors import RemoteProtocolError
from trunkline.net.flow import Flow
from trunkline.proto.sip.dialog import Dialog
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Request, Response
from trunkline.proto.sip.transaction import Failure
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.proto.sip.transaction.machine import Table
from trunkline.ua.challenges import Authorizer
from trunkline.ua.door import flow_of
from trunkline.ua.option_tags import IN_DIALOG, unsupported
from trunkline.ua.sessions.acknowledge import acknowledge
from trunkline.ua.sessions.inputs import BYE_DONE, BYE_RECEIVED, HANG_UP, LOST
from trunkline.ua.sessions.reoffer import Reoffer
from trunkline.ua.sessions.session_timer import SessionTimer
from trunkline.ua.sessions.update import receive_update

if TYPE_CHECKING:
    from trunkline.ua.endpoint import Endpoint


class SessionUser(Protocol):
    """Who is told what happens to a session; a leg of a call, or a test.

    All are called synchronously; a session that has told ``on_ended`` or ``on_failed`` says no more.
    """

    def on_provisional(self, session: Session, response: Response) -> None:
        """101..199 to our INVITE, with its early dialog in place."""

    def on_answered(self, session: Session, response: Response) -> None:
        """2xx to our INVITE. Unless the INVITE carried no offer, its ACK is sent already."""

    def on_failed(self, session: Session, status: int, reason: str, response: Response | None) -> None:
        """Our INVITE got 300..699, or none in time (408), or could not be sent (503)."""

    def on_cancelled(self, session: Session, request: Request) -> None:
        """The caller gave up (CANCEL, or BYE in the early dialog); it has its 487 already."""

    def on_acknowledged(self, session: Session, ack: Request) -> None:
        """The ACK of our 2xx, to the first INVITE or to a later one; a body answers an offer of ours.

        Also the PRACK that answers the offer of a reliable provisional.
        """

    def on_request(self, session: Session, incoming: Incoming) -> None:
        """A request within the dialog but BYE, ACK, CANCEL, INVITE, PRACK, UPDATE, checked for order. Answer it."""

    def on_offer(self, session: Session, incoming: Incoming) -> None:
        """A re-INVITE, or the offer of an UPDATE or PRACK: answer it with ``session.reoffer.answer`` or ``.refuse``."""

    def on_offer_withdrawn(self, session: Session) -> None:
        """The re-INVITE was cancelled; it has its 487 already."""

    def on_refresh(self, session: Session) -> None:
        """The session is to be refreshed by re-INVITE: send our last description again by ``session.reoffer.send``,
        and say what became of it to ``session.timer.refreshed``."""

    def on_ended(self, session: Session, code: str, request: Request | None) -> None:
        """An answered session is over: ``bye`` (the peer's request), ``hangup`` (ours), ``no-ack``, ``lost``,
        ``expired`` (nobody has refreshed it). Also one that we could not answer: ``no-prack``, its caller has its
        504 already."""


class Session:
    """One INVITE session. ``dialog`` is None on the client side until a response creates it."""

    __slots__ = (
        "_reoffer",
        "acked",
        "authorizer",
        "contact",
        "dialog",
        "endpoint",
        "flow",
        "may_refresh",
        "on_closed",
        "state",
        "takes_update",
        "timer",
        "user",
    )

    owns_call_id: ClassVar[bool] = False
    TABLE: ClassVar[Table] = {}
    CONFIRMED: ClassVar[int] = -1
    ENDING: ClassVar[int] = -1
    ENDED: ClassVar[int] = -1

    def __init__(self, endpoint: Endpoint, flow: Flow, user: SessionUser, state: int) -> None:
        self.endpoint = endpoint
        self.flow = flow
        self.user = user
        self.state = state
        self.dialog: Dialog | None = None
        self.contact = endpoint.contact(flow)
        self._reoffer: Reoffer | None = None
        self.acked = False
        self.takes_update = False  # whether the peer's Allow lists UPDATE
        self.authorizer: Authorizer | None = None
        self.timer: SessionTimer | None = None
        self.may_refresh = True  # some peers take no refresh from us
        self.on_closed: Callable[[], None] | None = None  # called once, when nothing of it is left to do

    @property
    def now(self) -> float:
        return self.endpoint.now()

    @property
    def ended(self) -> bool:
        return self.state == self.ENDED

    @property
    def reoffer(self) -> Reoffer:
        """Its re-INVITE; most sessions never have one."""
        if self._reoffer is None:
            self._reoffer = Reoffer(self)
        return self._reoffer

    @property
    def free(self) -> bool:
        """Whether no offer is on its way."""
        return self._reoffer is None or self._reoffer.free

    @property
    def settled(self) -> bool:
        """Whether it is confirmed, its ACK sent or here, and no change under way: the time to write it down."""
        return self.state == self.CONFIRMED and self.acked and self.free

    @property
    def sip_call_id(self) -> str:
        return self.dialog.call_id if self.dialog is not None else ""

    def step(self, what: int, argument: Any = None) -> None:
        """Run one input through the table; an input without a row is ignored."""
        row = self.TABLE[self.state].get(what)
        if row is None:
            return
        self.state = row[0]
        now = self.endpoint.now()
        for action in row[1]:
            action(self, argument, now)

    # What users do

    def hang_up(self, extra: str = "") -> None:
        """End the session in the way its state asks for: CANCEL, a refusal, BYE now or BYE after the ACK.

        ``extra`` holds finished header lines, such as Reason.
        """
        self.step(HANG_UP, extra)

    async def request(self, method: str, **rest: Any) -> Response:
        """Send a request within the dialog; its final response, 408 or 503 made here when none comes."""
        if self.dialog is None:
            raise RemoteProtocolError("there is no dialog yet", 481)
        draft = self.dialog.request(method, **rest)
        response = await self.endpoint.request(
            draft, self.in_dialog_flow(), authorizer=self.authorizer_within()
        )
        if response.status in {408, 481}:
            self.step(LOST)
        return response

    # What the endpoint delivers

    def receive(self, incoming: Incoming) -> None:
        """A request within the dialog, but ACK."""
        request = incoming.request
        leaves = self.state == self.ENDING and request.method != "BYE"
        dialog = self.dialog_of(request)
        if dialog is None or self.ended or leaves:
            incoming.respond(481)
            return
        try:
            tags = "Require" in request.headers and unsupported(
                request, self.endpoint.option_tags | IN_DIALOG
            )
            if tags:
                incoming.respond(420, extra=f"Unsupported: {tags}\r\n")
                return
            if "Session-Expires" in request.headers and self.endpoint.session_timers.too_short(request):
                incoming.respond(422, extra=self.endpoint.session_timers.refusal)
                return
            dialog.accept(request)
            if self.flow.closed:
                # The connection is gone, by our crash or otherwise; the peer has made a new one.
                self.flow = flow_of(incoming)
                dialog.flow = self.flow.token
        except RemoteProtocolError as error:
            incoming.respond(error.status, extra="Retry-After: 5\r\n" if error.status == 500 else "")
            return
        if request.method == "BYE":
            incoming.begin()
            incoming.respond(200)
            self.step(BYE_RECEIVED, request)
        elif request.method == "INVITE":
            self.reoffer.receive(incoming)
        elif request.method == "UPDATE":
            receive_update(self, dialog, incoming)
        elif request.method == "PRACK":
            self.receive_prack(incoming)
        else:
            incoming.begin()
            self.user.on_request(self, incoming)

    def dialog_of(self, request: Request) -> Dialog | None:
        """The dialog that a request belongs to: each fork of an INVITE of ours has its own."""
        return self.dialog

    def speaking_dialog(self) -> Dialog | None:
        """The dialog that an UPDATE of ours goes into: of several early ones, that whose description came last."""
        return self.dialog

    def has_agreed(self, _dialog: Dialog) -> bool:
        """Whether the first offer and answer are through, so that an UPDATE may bring the next (RFC 3311 §5.1)."""
        return self.acked

    def receive_prack(self, incoming: Incoming) -> None:
        """A PRACK: no response of ours wants one, unless this is a call that came in (RFC 3262 §3)."""
        incoming.begin()
        incoming.respond(481)

    def receive_ack(self, ack: Request) -> None:
        """The ACK of a 2xx that we sent, to the first INVITE or to a later one."""
        if self._reoffer is not None:
            self._reoffer.receive_ack(ack)

    def acknowledge_again(self, response: Response) -> None:
        """A 2xx to an INVITE of ours that no transaction knows any more (RFC 3261 §13.2.2.4)."""
        if self.dialog is not None and self.acked:
            acknowledge(self.endpoint, self.in_dialog_flow(), self.dialog, response.cseq[0])

    # What actions of both tables do

    def in_dialog_flow(self) -> Flow:
        """The flow the dialog lives on, or a new one to its target when the connection is gone."""
        if self.dialog is not None:
            self.flow = self.endpoint.flow_for(self.flow, self.dialog)
        return self.flow

    def flow_of(self, _dialog: Dialog) -> Flow:
        """The flow for a request within one of several early dialogs."""
        return self.in_dialog_flow()

    def authorizer_within(self) -> Authorizer | None:
        """For one request within the dialog, when there are credentials for the peer."""
        if self.authorizer is None or self.dialog is None:
            return None
        return self.authorizer.within(self.dialog)

    def send_bye(self, extra: Any, now: float) -> None:
        """RFC 3261 §15.1.1; the session ends when the BYE is done with, whatever the answer."""
        if self.dialog is None:
            self.step(BYE_DONE)
            return
        self._stop_changes()
        draft = self.dialog.request("BYE", extra=extra if isinstance(extra, str) else "")
        authorizer = self.authorizer_within() if self.authorizer is not None else None
        self.endpoint.send(draft, self.in_dialog_flow(), ByeUser(self, draft, authorizer), now)

    def tell_hung_up(self, _argument: Any, _now: float) -> None:
        self.user.on_ended(self, "hangup", None)

    def tell_bye(self, request: Request, _now: float) -> None:
        self.user.on_ended(self, "bye", request)

    def tell_lost(self, why: str | None, _now: float) -> None:
        self.user.on_ended(self, why or "lost", None)

    def close(self, _argument: Any, now: float) -> None:
        """Forget the session: nothing is found by its dialog any more, nothing runs for it."""
        self._stop_changes()
        self._reoffer = None
        if self.dialog is not None:
            self.endpoint.forget(self.dialog.key, self)
        closed, self.on_closed = self.on_closed, None
        if closed is not None:
            closed()

    def _stop_changes(self) -> None:
        if self._reoffer is not None:
            self._reoffer.close()
        if self.timer is not None:
            self.timer.stop()
            self.timer = None


class ByeUser:
    """Waits for the end of our BYE, and sends it again when it is challenged."""

    __slots__ = ("authorizer", "draft", "session")

    def __init__(self, session: Session, draft: Draft, authorizer: Authorizer | None = None) -> None:
        self.session = session
        self.draft = draft
        self.authorizer = authorizer

    def on_response(self, _transaction: Any, response: Response, now: float) -> None:
        if response.status < 200:
            return
        again = self.authorizer.answer(self.draft, response) if self.authorizer is not None else None
        if again is None:
            self.session.step(BYE_DONE)
        else:
            self.draft = again
            self.session.endpoint.send(again, self.session.in_dialog_flow(), self, now)

    def on_failure(self, _transaction: Any, _failure: Failure, _now: float) -> None:
        self.session.step(BYE_DONE)
