"""A leg that is a SIP dialog."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from trunkline.base.errors import CallFailed
from trunkline.base.ids import uuid7
from trunkline.base.wheel import Timer
from trunkline.call.failures import passed_on
from trunkline.call.headers import (
    description_of,
    is_silent,
    lacks_preconditions,
    reason_of,
    requires_preconditions,
)
from trunkline.call.leg import Info, LegKind, LegObserver
from trunkline.call.leg_media import LegMedia
from trunkline.call.leg_outcome import LegOutcome
from trunkline.call.refresh import answer_refresh, send_refresh
from trunkline.call.sip_info import SipInfo
from trunkline.media.preconditions import MARK as PRECONDITIONS
from trunkline.media.preconditions import mirrored, refusal_of_preconditions, without_preconditions
from trunkline.net.flow import Flow
from trunkline.proto.sip.draft import header_lines
from trunkline.proto.sip.message import Request, Response
from trunkline.proto.sip.reason_header import Q850, Reason, q850_cause
from trunkline.proto.sip.reasons import CAUSE_TEXTS, reason_phrase
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.ua.failed_hops import retry_after_s
from trunkline.ua.next_hops import is_hop_failure
from trunkline.ua.sessions import ClientSession, ServerSession, Session
from trunkline.ua.sessions.update import send_update

if TYPE_CHECKING:
    from trunkline.call.context import CallContext
    from trunkline.call.target import Target
    from trunkline.ua.endpoint import Subscribed


class HopFailure(NamedTuple):
    """Why another server may be asked: the words for the story, and how long this one wants to be left alone."""

    why: str
    retry_after_s: float | None = None


_HANG_UP_CODES = {"no-ack": "call.no_ack", "lost": "call.lost", "expired": "call.timer_expired"}


class SipLeg:
    """One SIP party of a call. ``direction`` of the outcome is ``in`` for the caller's leg, ``out`` else."""

    __slots__ = (
        "asked",
        "context",
        "done",
        "heard",
        "hop_failure",
        "id",
        "kind",
        "media",
        "observer",
        "offered",
        "outcome",
        "patience",
        "preconditions",
        "ring_timer",
        "rings_until",
        "session",
        "trusted",
    )

    def __init__(
        self, context: CallContext, observer: LegObserver, media: LegMedia, outcome: LegOutcome
    ) -> None:
        self.context = context
        self.observer = observer
        self.media = media
        self.outcome = outcome
        self.id = uuid7()
        self.kind = LegKind.SIP
        self.session: Session | None = None
        self.ring_timer: Timer | None = None
        self.rings_until = 0.0
        self.patience: Timer | None = None
        self.hop_failure: HopFailure | None = None
        self.done = False
        self.heard = 0  # hash of the description that the party has agreed to last, 0 when none is known
        self.asked = 0  # of one that it wants to change to
        self.trusted = False  # whether the party belongs to our trust domain (RFC 3325)
        self.offered = False  # whether our INVITE made an offer
        self.preconditions = b""  # the party's offer, when our answer has to speak of them (RFC 3312)

    # The two ways to begin

    def accept(self, incoming: Incoming, flow: Flow, *, hold: bool = False) -> None:
        """Become the leg of an INVITE; raises RemoteProtocolError when it cannot make a dialog.

        With ``hold`` the 100 waits for ``trying``, 150 ms at most.
        """
        self.session = ServerSession(self.context.endpoint, incoming, flow, self, hold=hold)
        self.heard = hash(incoming.request.body)
        self.outcome.sip_call_id = incoming.request.call_id
        if PRECONDITIONS in incoming.request.body and not self.media.passes:
            self._note_preconditions(incoming.request)

    def _note_preconditions(self, request: Request) -> None:
        """RFC 3312 §11: who requires them reads our answer for them."""
        noted = PRECONDITIONS in request.body and requires_preconditions(request)
        self.preconditions = request.body if noted else b""

    def _answering(self, body: bytes) -> bytes:
        return mirrored(self.preconditions, body) if self.preconditions and body else body

    def dial(
        self,
        target: Target,
        flow: Flow,
        body: bytes,
        *,
        from_: str,
        to: str,
        extra: str,
        max_forwards: int,
        ring_s: float,
        patience_s: float = 0.0,
        like: tuple[str, str] | None = None,
        reliable: bool = False,
        ack_later: bool = False,
    ) -> None:
        """Send the INVITE; the leg fails with 480 when nobody answers within ``ring_s`` seconds.

        With ``patience_s`` it also fails when nothing at all comes back in that time; ``like`` holds Call-ID and
        From tag of an INVITE that failed at another server; with ``reliable`` provisionals may be so (RFC 3262).
        With ``ack_later`` the ACK goes when ``acknowledge`` is called.
        """
        endpoint = self.context.endpoint
        if target.identity is not None and target.identity.trusted:
            self.trusted = True
            extra += "P-Early-Media: supported\r\n"
        if patience_s:
            self.patience = endpoint.wheel.call_at(endpoint.now() + patience_s, self._lose_patience)
        self.ring_for(ring_s)
        self.offered = bool(body)
        self.session = endpoint.invite(
            target.uri,
            flow,
            self,
            from_=from_,
            to=to,
            body=body,
            extra=extra,
            route=target.route,
            max_forwards=max_forwards,
            authorizer=target.authorizer() if target.authorizer is not None else None,
            like=like,
            may_refresh=target.may_refresh,
            follows=target.flow is None,
            reliable=reliable and endpoint.reliable_provisionals != "never",
        )
        self.session.ack_later = ack_later
        self.outcome.sip_call_id = self.session.sip_call_id

    def ring_for(self, seconds: float) -> None:
        """How long the party may ring from now on."""
        endpoint = self.context.endpoint
        self.rings_until = endpoint.now() + seconds
        self.ring_timer = endpoint.wheel.call_at(self.rings_until, self._no_answer)

    @property
    def detours(self) -> bool:
        """Whether our INVITE goes by a connection because it is too large for a datagram (RFC 3261 §18.1.1)."""
        session = self.session
        if not isinstance(session, ClientSession) or session.transaction is None:
            return False
        return session.transaction.wire.reliable and not session.flow.reliable

    def _lose_patience(self, _now: float) -> None:
        """The server is silent, and another can be asked."""
        self.patience = None
        if isinstance(self.session, ClientSession) and not self.session.heard:
            seen = (408, reason_phrase(408))
            self.hop_failure = HopFailure("no answer")
            self._fail(CallFailed(480, reason_phrase(480), 18, "call.unreachable"), by="exchange", seen=seen)
            self.session.hang_up()

    def _no_answer(self, _now: float) -> None:
        self.give_up(CallFailed(480, "No Answer", 19, "call.no_answer"))
        if self.session is not None:
            self.session.hang_up()

    def give_up(self, failure: CallFailed) -> None:
        """The exchange ends the attempt, before or after its INVITE was sent."""
        self._fail(failure, by="exchange")

    # What the call does

    @property
    def committed(self) -> bool:
        """Whether the party of an incoming leg was given a description reliably, which counts for good."""
        session = self.session
        return (
            isinstance(session, ServerSession) and session.reliable is not None and session.reliable.committed
        )

    @property
    def settled(self) -> bool:
        return self.session is not None and self.session.settled

    @property
    def takes_update(self) -> bool:
        session = self.session
        if session is None or self.done or not session.takes_update:
            return False
        dialog = session.speaking_dialog()
        return dialog is not None and (self.committed or session.has_agreed(dialog))

    @property
    def asks_briefly(self) -> bool:
        return self.session is not None and self.session.reoffer.is_brief

    @property
    def offers_early(self) -> bool:
        return isinstance(self.session, ClientSession) and self.session.offers_early

    def trying(self) -> None:
        """The INVITE need not come again: whatever happens to this process, another one knows of it."""
        if isinstance(self.session, ServerSession):
            self.session.trying()

    @property
    def rings_reliably(self) -> bool:
        """Whether the caller was sent a provisional that it acknowledges (RFC 3262)."""
        return isinstance(self.session, ServerSession) and self.session.reliable is not None

    def progress(self, status: int, body: bytes, *, followed: bool = False) -> None:
        if isinstance(self.session, ServerSession):
            if self.preconditions:
                body = self._answering(body)
            self.session.progress(status, body, followed=followed)

    def answer(self, body: bytes) -> None:
        if isinstance(self.session, ServerSession) and not self.done:
            self.outcome.answered_at = self.context.wall()
            self.session.answer(self._answering(body) if self.preconditions else body)

    def refuse(self, failure: CallFailed) -> None:
        if isinstance(self.session, ServerSession) and not self.done:
            self._finish("exchange", failure.status, failure.reason, failure.code, failure.q850)
            # RFC 6432: why the callee refused, in the network's words, is the caller's to know.
            said = failure.said or (_cause_of(failure) if self.outcome.outside else "")
            told = header_lines("Reason", said) if said else ""
            self.session.refuse(failure.status, failure.reason, told)

    def hang_up(self, reason: str = "", *, code: str = "call.hangup", by: str = "exchange") -> None:
        if not self.done:
            if isinstance(self.session, ServerSession) and self.session.holds_answer:
                self.outcome.answered_at = None  # the party was never told
            status = 200 if self.outcome.answered_at is not None else self._unanswered_status
            self._finish(by, status, reason_phrase(status), code, q850_cause(reason) or 16)
        if self.session is not None:
            self.session.hang_up(header_lines("Reason", reason) if reason else "")

    @property
    def _unanswered_status(self) -> int:
        """What ends the INVITE: 480 is what its caller gets from us, 487 what our CANCEL brings."""
        return 480 if self.outcome.direction == "in" else 487

    def acknowledge(self, body: bytes) -> None:
        if isinstance(self.session, ClientSession) and not self.session.acked:
            if not self.session.answer_early(body):
                self.session.acknowledge(body)
        elif self.session is not None:
            self.session.reoffer.acknowledge(body)

    def confirm(self) -> None:
        """Its own ACK tells it."""

    def offer(
        self, body: bytes, on_done: Callable[[int, bytes], None], extra: str = "", *, brief: bool = False
    ) -> None:
        if self.session is None or self.done:
            on_done(481, b"")
            return

        session = self.session
        told = partial(self._offered, on_done, body)

        def updated(status: int, response: Response | None) -> None:
            if status in {405, 501} and session.takes_update and session.acked:
                session.takes_update = False  # whatever its Allow says
                session.reoffer.send(body, told, extra)
            else:
                told(status, response)

        if brief and body and session.takes_update:
            send_update(session, body, updated, extra)
        else:
            session.reoffer.send(body, told, extra, delayed=not body)

    def _offered(
        self, on_done: Callable[[int, bytes], None], body: bytes, status: int, response: Response | None
    ) -> None:
        answer = description_of(response) if response is not None else b""
        if status < 300:
            self.heard = hash(answer)
            answer = self.media.read(answer, answer=bool(body))
        elif body:
            self.media.identity.take_back()
        on_done(status, answer)

    def withdraw_offer(self) -> None:
        if self.session is not None:
            self.session.reoffer.withdraw()

    def answer_offer(self, body: bytes) -> None:
        self.heard = self.asked
        if self.session is not None:
            self.session.reoffer.answer(self._answering(body))

    def refuse_offer(self, status: int) -> None:
        if self.session is not None:
            self.media.take_back()
            self.session.reoffer.refuse(status)

    def send_info(self, info: Info) -> None:
        session = self.session
        if session is None or self.done:
            info.answer(481)
            return
        package = header_lines("Info-Package", info.package)

        async def pass_on() -> None:
            response = await session.request(
                info.method, body=info.body, content_type=info.content_type, extra=package
            )
            info.answer(response.status)

        self.context.spawn(pass_on())

    # What the session says (ua.sessions.SessionUser)

    def on_provisional(self, _session: Session, response: Response) -> None:
        if not self.done:
            headers = response.headers
            body = description_of(response)
            if body and "P-Early-Media" in headers and self.trusted and is_silent(headers["P-Early-Media"]):
                body = b""  # RFC 5009: the network that we trust says that there is nothing to hear yet
            if body:
                body = self.media.read(body, answer=not self.offers_early)
            self.observer.leg_progress(self, response.status, body, reliable="RSeq" in headers)

    def on_answered(self, session: Session, response: Response) -> None:
        self._stop_ringing()
        if self.done:
            return
        self.outcome.answered_at = self.context.wall()
        body = description_of(response)
        if isinstance(session, ClientSession) and session.early_dialogs is not None:
            body = session.description(body)
        # What was agreed by UPDATE meanwhile is not in a 2xx: then nothing is known for certain.
        self.heard = 0 if self.heard else hash(body)
        self.observer.leg_answered(self, self.media.read(body, answer=self.offered))

    def on_failed(self, session: Session, status: int, reason: str, response: Response | None) -> None:
        heard = session.dialog is not None if response is not None else getattr(session, "heard", True)
        if is_hop_failure(status, response, heard=heard):
            after = retry_after_s(response) if response is not None else None
            self.hop_failure = HopFailure(f"{status} {reason}", after)
        if response is None and status in {408, 503}:
            code = "call.unreachable" if status == 408 else "call.not_sent"
            self._fail(CallFailed(480, reason_phrase(480), 18, code), by="exchange", seen=(status, reason))
            return
        said = reason_of(response)
        failure = passed_on(status, reason, cause=q850_cause(said), said=said or "")
        self._fail(failure, by="callee", seen=(status, reason))

    def on_cancelled(self, _session: Session, request: Request) -> None:
        if not self.done:
            said = reason_of(request)
            self.outcome.answered_at = None  # an answer may have waited for the PRACK
            self._finish("caller", 487, "Request Terminated", "call.cancelled", q850_cause(said) or 16)
            self.observer.leg_cancelled(self, said)

    def on_acknowledged(self, _session: Session, ack: Request) -> None:
        if not self.done:
            if ack.body:
                self.heard = hash(ack.body)
            self.observer.leg_acknowledged(self, self.media.read(description_of(ack), answer=True))

    def on_request(self, session: Session, incoming: Incoming) -> None:
        request = incoming.request
        now = self.context.endpoint.now()
        if request.method in {"INFO", "MESSAGE"}:
            self.observer.leg_info(self, SipInfo(incoming, self.context.endpoint.now))
        elif request.method == "REFER":
            self.observer.leg_refer(self, incoming)
        elif request.method == "SUBSCRIBE":
            told = self._subscription(session)
            if told is None:
                # RFC 6665 §4.5.2: nobody begins one in the dialog of a call, and 481 would tell that the call is gone.
                incoming.respond(403)
            else:
                told.receive(incoming)
        elif request.method == "OPTIONS":
            extra = f"{self.context.endpoint.capabilities}Accept: application/sdp\r\n"
            incoming.respond(200, extra=extra, now=now)
        elif request.method != "NOTIFY" or not self.observer.leg_notify(self, incoming):
            known = request.method in self.context.endpoint.methods
            incoming.respond(405 if known else 501, extra=self.context.endpoint.capabilities, now=now)

    def _subscription(self, session: Session) -> Subscribed | None:
        """The other usage of the dialog, which a REFER began."""
        return self.context.endpoint.subscriptions.get(session.dialog.key) if session.dialog else None

    def on_offer(self, session: Session, incoming: Incoming) -> None:
        body = description_of(incoming.request)
        if incoming.request.body and not body:
            session.reoffer.refuse(415, "Accept: application/sdp\r\n")
        elif PRECONDITIONS in body and not self.media.passes and lacks_preconditions(incoming.request):
            session.reoffer.refuse(580, body=refusal_of_preconditions(body))
        elif not answer_refresh(self, session, body):
            self.asked = hash(body)
            self.observer.leg_offer(
                self, self.media.read(self._without_preconditions(incoming.request, body))
            )

    def _without_preconditions(self, request: Request, body: bytes) -> bytes:
        if self.media.passes:
            return body
        self._note_preconditions(request)
        return without_preconditions(body) if PRECONDITIONS in body else body

    def on_refresh(self, session: Session) -> None:
        send_refresh(self, session)

    def on_offer_withdrawn(self, _session: Session) -> None:
        self.media.take_back()
        self.observer.leg_offer_withdrawn(self)

    def on_ended(self, _session: Session, code: str, request: Request | None) -> None:
        if self.done:
            return
        if code == "no-prack":
            self.outcome.answered_at = None
            self._finish("exchange", 504, reason_phrase(504), "call.no_prack", 102)
            self.observer.leg_ended(self, None)
            return
        by_peer = code == "bye"
        party = "caller" if self.outcome.direction == "in" else "callee"
        said = reason_of(request)
        cause = q850_cause(said) or 16
        self._finish(
            party if by_peer else "exchange", 200, "OK", _HANG_UP_CODES.get(code, "call.hangup"), cause
        )
        self.observer.leg_ended(self, said)

    # Endings

    def _fail(self, failure: CallFailed, by: str, seen: tuple[int, str] | None = None) -> None:
        if self.done:
            return
        status, reason = seen or (failure.status, failure.reason)
        self._finish(by, status, reason, failure.code, failure.q850)
        self.observer.leg_failed(self, failure)

    def let_go(self, observer: LegObserver) -> None:
        if self.session is not None and not self.session.ended:
            # While its BYE or CANCEL is on the way, others find the call by its dialog, and it may still be answered.
            self.session.on_closed = partial(self.let_go, observer)
        elif self.done:
            self.session, self.observer = None, observer

    def _finish(self, by: str, status: int, reason: str, code: str, q850: int | None) -> None:
        self._stop_ringing()
        self.done = True
        self.outcome.end(self.context.wall(), by, status, reason, code, q850)

    def _stop_ringing(self) -> None:
        if self.patience is not None:
            self.context.endpoint.wheel.cancel(self.patience)
            self.patience = None
        if self.ring_timer is not None:
            self.context.endpoint.wheel.cancel(self.ring_timer)
            self.ring_timer = None


def _cause_of(failure: CallFailed) -> str:
    """A Reason for who may be a telephone network: the cause that we know, though no callee named it (RFC 6432)."""
    return "" if failure.q850 is None else str(Reason(Q850, failure.q850, CAUSE_TEXTS.get(failure.q850, "")))
