"""Re-INVITE (RFC 3261 §14): one offer at a time in a dialog, from either side, and what if both try.

Rules on top: an INVITE while ours is pending gets 491, one while theirs is unanswered 500 with Retry-After
(§14.2); our own try that gets 491 is repeated after 2.1..4.0 s by the owner of the Call-ID, 0..2.0 s by the
other (§14.1). A failed re-INVITE leaves the session as it was, but for 408 and 481, which end it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from trunkline.base.errors import RemoteProtocolError
from trunkline.base.wheel import Timer
from trunkline.proto.sip.draft import Draft, render_response
from trunkline.proto.sip.message import Request, Response
from trunkline.proto.sip.reasons import reason_phrase
from trunkline.proto.sip.transaction import ClientInvite, Failure
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.ua.sessions.acknowledge import acknowledge
from trunkline.ua.sessions.answer import Answer
from trunkline.ua.sessions.inputs import LOST
from trunkline.ua.sessions.session_timer import accept, agreed

if TYPE_CHECKING:
    from trunkline.ua.sessions.session import Session

# A provisional stops the INVITE's timer B for good; a phone may ask its user, but not for ever.
PATIENCE_S: Final = 60.0


class Reoffer:
    """The re-INVITE of one session; at most one of ``incoming``, ``outgoing`` and ``answer`` is at work."""

    __slots__ = ("answer_on_way", "incoming", "outgoing", "session")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.incoming: Incoming | None = None
        self.outgoing: Outgoing | None = None
        self.answer_on_way: Answer | None = None

    # Theirs

    def receive(self, incoming: Incoming) -> None:
        """A re-INVITE that is in order."""
        session = self.session
        if self.outgoing is not None:
            incoming.respond(491)  # §14.2: a glare
            return
        if self.incoming is not None or not session.acked or self.answer_on_way is not None:
            # §14.2: the INVITE before it is not over. The wait is random; three tokens of it are enough.
            incoming.respond(
                500, extra=f"Retry-After: {int(session.endpoint.ids.pool.token(1), 16) % 10}\r\n"
            )
            return
        transaction = incoming.begin_invite()
        transaction.user = self
        self.incoming = incoming
        session.user.on_offer(session, incoming)

    def receive_brief(self, incoming: Incoming) -> None:
        """The offer of an UPDATE or a PRACK that is in order; nobody can cancel it."""
        self.incoming = incoming
        self.session.user.on_offer(self.session, incoming)

    @property
    def is_brief(self) -> bool:
        """Whether their change came by UPDATE or PRACK: no ACK follows, and nobody may be asked first."""
        return self.incoming is not None and self.incoming.request.method != "INVITE"

    def on_cancel(self, _transaction: Any, _cancel: Request, now: float) -> None:
        """§14.2 with §9.2: a cancelled re-INVITE gets 487 and changes nothing."""
        self.refuse(487)
        self.session.user.on_offer_withdrawn(self.session)

    def answer(self, body: bytes, extra: str = "") -> None:
        """200 to their re-INVITE, repeated until its ACK; to their UPDATE or PRACK, once."""
        incoming, self.incoming = self.incoming, None
        if incoming is None or incoming.transaction is None:
            return
        session = self.session
        endpoint = session.endpoint
        if incoming.request.method != "INVITE":
            if incoming.request.method == "UPDATE" and session.acked:
                extra = accept(session, incoming.request) + extra
            extra = f"Contact: {session.contact}\r\n{endpoint.capabilities}{extra}"
            incoming.respond(200, extra=extra, body=body, now=endpoint.now())
            return
        data = render_response(
            incoming.request,
            200,
            extra=f"Contact: {session.contact}\r\n{endpoint.capabilities}{accept(session, incoming.request)}{extra}",
            body=body,
        )
        self.answer_on_way = Answer(
            endpoint.wheel,
            endpoint.layer.timings,
            incoming.transaction,  # type: ignore[arg-type]  # an INVITE's transaction
            data,
            incoming.request.cseq[0],
            self._no_ack,
            endpoint.now(),
        )
        self.answer_on_way.begin(endpoint.now())

    def refuse(self, status: int, extra: str = "", body: bytes = b"") -> None:
        """300..699 to their re-INVITE, UPDATE or PRACK; the session stays as it was."""
        incoming, self.incoming = self.incoming, None
        if incoming is not None:
            incoming.respond(status, extra=extra, body=body, now=self.session.endpoint.now())

    def receive_ack(self, ack: Request) -> None:
        answer = self.answer_on_way
        if answer is not None and ack.cseq[0] == answer.cseq:
            answer.stop()
            self.answer_on_way = None
            self.session.user.on_acknowledged(self.session, ack)

    def _no_ack(self) -> None:
        self.answer_on_way = None
        self.session.step(LOST)

    # Ours

    @property
    def free(self) -> bool:
        """Whether a new offer may be sent now."""
        return self.outgoing is None and self.incoming is None and self.answer_on_way is None

    def send(
        self,
        body: bytes,
        on_done: Callable[[int, Response | None], None],
        extra: str = "",
        *,
        delayed: bool = False,
    ) -> None:
        """Send our re-INVITE; ``on_done(status, response)`` is called once with its final outcome.

        491 is answered by the caller of this, not here: a B2BUA hands it to the side that asked. With
        ``delayed`` (an INVITE without offer) the 2xx is acknowledged by ``acknowledge`` with the answer.
        """
        session = self.session
        if session.dialog is None or not self.free or not session.acked:
            on_done(491, None)
            return
        if session.timer is not None:
            extra = session.timer.lines() + extra
        capabilities = session.endpoint.capabilities
        draft = session.dialog.request(
            "INVITE", contact=session.contact, extra=capabilities + extra, body=body
        )
        flow = session.in_dialog_flow()
        self.outgoing = Outgoing(self, draft, on_done, delayed=delayed)
        self.outgoing.transaction = session.endpoint.send(draft, flow, self.outgoing, session.now)
        wheel = session.endpoint.wheel
        self.outgoing.patience = wheel.call_at(session.now + PATIENCE_S, lambda _now: self.withdraw())

    def glare_pause_s(self) -> float:
        """How long to wait after a 491 to ours (§14.1): 2.1..4.0 s as the owner of the Call-ID, else 0..2.0 s.

        In steps of 10 ms, so that the two of them seldom choose alike.
        """
        session = self.session
        dice = int(session.endpoint.ids.pool.token(6), 16)
        return (210 + dice % 191 if session.owns_call_id else dice % 201) / 100

    def withdraw(self) -> None:
        """CANCEL our re-INVITE, unless it is answered; its outcome is told all the same."""
        if self.outgoing is not None and isinstance(self.outgoing.transaction, ClientInvite):
            self.outgoing.transaction.cancel(self.session.now)

    def acknowledge(self, body: bytes) -> None:
        """The ACK, with our answer, of a 2xx that carried the offer."""
        outgoing = self.outgoing
        if outgoing is not None:
            outgoing.acknowledge(body)
            self.outgoing = None

    def close(self) -> None:
        """The session ends: an INVITE of theirs still gets its final response, nothing is repeated."""
        if self.incoming is not None:
            self.refuse(487)
        if self.answer_on_way is not None:
            self.answer_on_way.stop()
            self.answer_on_way = None
        if self.outgoing is not None:
            self.withdraw()  # a peer that forgets it with the dialog would leave our transaction waiting for ever
            outgoing, self.outgoing = self.outgoing, None
            if outgoing is not None:  # its CANCEL may have failed at once
                outgoing.finish(481, None)


class Outgoing:
    """One re-INVITE of ours, and its ACK for as long as the 2xx may be repeated."""

    __slots__ = (
        "authorizer",
        "cseq",
        "data",
        "delayed",
        "draft",
        "flow",
        "on_done",
        "owner",
        "patience",
        "session",
        "transaction",
    )

    def __init__(
        self, owner: Reoffer, draft: Draft, on_done: Callable[[int, Response | None], None], *, delayed: bool
    ) -> None:
        self.owner = owner
        self.session: Session | None = owner.session
        self.draft: Draft | None = draft
        self.authorizer = owner.session.authorizer_within()
        self.cseq = draft.cseq
        self.on_done: Callable[[int, Response | None], None] | None = on_done
        self.delayed = delayed
        self.data = b""
        self.flow = owner.session.flow
        self.transaction: Any = None
        self.patience: Timer | None = None

    def on_response(self, _transaction: Any, response: Response, _now: float) -> None:
        status = response.status
        if status < 200:
            return
        if 200 <= status < 300:
            self._succeeded(response)
            return
        if self._authorize(response):
            return
        self._over()
        self.finish(status, response)
        if status in {408, 481} and self.session is not None:
            self.session.step(LOST)  # §12.2.1.2

    def _authorize(self, response: Response) -> bool:
        """Send the re-INVITE again with the credentials that a 401 or 407 asks for; False when we cannot."""
        session = self.session
        if self.authorizer is None or self.draft is None or session is None or self.on_done is None:
            return False
        again = self.authorizer.answer(self.draft, response)
        if again is None:
            return False
        self.draft, self.cseq = again, again.cseq
        self.transaction = session.endpoint.send(again, session.in_dialog_flow(), self, session.now)
        return True

    def _succeeded(self, response: Response) -> None:
        if self.data:
            self.flow.send(self.data)  # §13.2.2.4: each retransmitted 2xx is acknowledged again
            return
        session = self.session
        if session is None or session.dialog is None:
            return
        try:
            session.dialog.refresh_target(response)
        except RemoteProtocolError:
            session.endpoint.layer.counters.parse_errors += 1
        agreed(session, response)
        if not self.delayed:
            self.acknowledge(b"")
            self._over()
        self.finish(response.status, response)

    def acknowledge(self, body: bytes) -> None:
        session = self.session
        if session is None or session.dialog is None:
            return
        self.flow = session.in_dialog_flow()
        self.data = acknowledge(session.endpoint, self.flow, session.dialog, self.cseq, body)
        self.session = None

    def on_failure(self, _transaction: Any, failure: Failure, _now: float) -> None:
        self._over()
        status = 408 if failure is Failure.TIMEOUT else 503
        self.finish(status, None)
        if self.session is not None:
            self.session.step(LOST)

    def finish(self, status: int, response: Response | None) -> None:
        done, self.on_done = self.on_done, None
        if self.patience is not None:
            self.owner.session.endpoint.wheel.cancel(self.patience)
            self.patience = None
        if done is not None:
            done(status, response)

    def _over(self) -> None:
        if self.owner.outgoing is self:
            self.owner.outgoing = None

    def __repr__(self) -> str:
        return f"<re-INVITE {self.cseq} {reason_phrase(200) if self.data else 'pending'}>"
