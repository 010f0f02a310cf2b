"""One call of the phone, made or taken: what the session says, and what the person at the phone would do."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from trunkline.app.phone.outcome import Outcome
from trunkline.app.phone.sound import Sound
from trunkline.base.errors import CallFailed, MediaError, RemoteProtocolError
from trunkline.call.headers import description_of
from trunkline.media.statistics import PortStatistics
from trunkline.net import host_port
from trunkline.proto.sip.message import Request, Response
from trunkline.proto.sip.reasons import reason_phrase
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.ua.sessions import ClientSession, ServerSession, Session

if TYPE_CHECKING:
    from trunkline.app.phone.softphone import Softphone

CLOSE_S = 10.0
DTMF_MS = 160
_DTMF = "application/dtmf-relay"
_DIGITS = frozenset("0123456789*#ABCD")


class Conversation:
    """A session user. ``answered`` and ``over`` are set once; ``outcome`` is there when ``over`` is."""

    def __init__(self, phone: Softphone, number: str) -> None:
        self._phone = phone
        self.tell = phone.tell
        self._loop = phone.loop
        self._turn = asyncio.Lock()
        self._began_at = self._loop.time()
        self._answered_at: float | None = None
        self._ended_by = ""
        self._refusal = (0, "", False)
        self._heard = False
        self.number = number
        self.sound = Sound(phone.engine, phone.address, phone.codecs, phone.tell)
        self.session: Session | None = None
        self.ringing = asyncio.Event()
        self.answered = asyncio.Event()
        self.over = asyncio.Event()
        self.outcome: Outcome | None = None

    # What the person does

    async def dial(self) -> None:
        """Send the INVITE; raises MediaError, TransportError."""
        body = await self.sound.offer()
        account = self._phone.account
        uri = account.uri_of(self.number)
        self.tell("calling", number=self.number)
        self._began_at = self._loop.time()
        self.session = self._phone.endpoint.invite(
            uri,
            self._phone.flow(),
            self,
            from_=account.address,
            to=f"<{uri}>",
            body=body,
            authorizer=self._phone.authorizer(),
        )

    def accept(self, incoming: Incoming, session: ServerSession) -> None:
        """Take a call in: it rings until ``answer``."""
        self.session = session
        self.tell("incoming", number=self.number)
        session.progress(180)
        self.ringing.set()

    async def answer(self) -> None:
        """Answer the call that came in; one whose offer cannot be answered is refused with 488."""
        session = self.session
        if not isinstance(session, ServerSession) or self.over.is_set() or self.answered.is_set():
            return
        async with self._turn:
            try:
                body = description_of(session.invite)
                described = await (self.sound.answer(body) if body else self.sound.offer())
            except (CallFailed, RemoteProtocolError) as error:
                self.refuse(error.status)
                return
            except MediaError:
                self.refuse(503)
                return
            session.answer(described)
            if body:
                self._is_answered()

    def refuse(self, status: int) -> None:
        """Do not answer."""
        if isinstance(self.session, ServerSession) and not self.over.is_set():
            self._refusal = (status, reason_phrase(status), True)
            self._ended_by = "us"
            self.session.refuse(status)
            self._finish()

    def hang_up(self) -> None:
        """End the call, whatever its state."""
        if self.session is None or self.over.is_set():
            return
        self._ended_by = self._ended_by or "us"
        if not self.answered.is_set():
            status = 480 if isinstance(self.session, ServerSession) else 487
            self._refusal = (status, reason_phrase(status), True)
        self.session.hang_up()
        if isinstance(self.session, ServerSession) and not self.answered.is_set():
            self._finish()

    async def dtmf(self, digits: str) -> None:
        """Send keys, each when the one before was: by RFC 4733 where that is agreed, else by INFO.

        "," waits a second. Keys that are left when the call ends are not sent.
        """
        for digit in digits.upper():
            if self.over.is_set() or self.session is None:
                return
            if digit == ",":
                await asyncio.sleep(1.0)
            elif digit in _DIGITS:
                await self._press(digit, self.session)

    async def _press(self, digit: str, session: Session) -> None:
        try:
            by = "rtp" if await self.sound.press(digit) else "info"
        except MediaError as error:
            if not self.over.is_set():
                self.tell("problem", text=f"key {digit} was not sent: {error}")
            return
        if by == "info":
            body = f"Signal={digit}\r\nDuration={DTMF_MS}\r\n".encode()
            response = await session.request("INFO", body=body, content_type=_DTMF)
            if response.status >= 300:
                self.tell("refused", what=f"key {digit}", status=response.status)
                return
        self.tell("dtmf_sent", digit=digit, by=by)

    async def hold(self, *, hold: bool) -> bool:
        """Hold or resume by a re-INVITE; whether the other side agreed."""
        session = self.session
        if session is None or not self.answered.is_set() or self.over.is_set():
            return False
        done: asyncio.Future[tuple[int, bytes]] = self._loop.create_future()

        def finished(status: int, response: Response | None) -> None:
            if not done.done():
                done.set_result((status, description_of(response) if response is not None else b""))

        session.reoffer.send(self.sound.again("sendonly" if hold else "sendrecv"), finished)
        status, body = await done
        if status >= 300:
            self.tell("refused", what="hold" if hold else "resume", status=status)
            return False
        if body:
            await self._described(body)
        self.tell("held" if hold else "resumed", by="us")
        return True

    # What the session says

    def on_provisional(self, _session: Session, response: Response) -> None:
        self._heard = True
        if not self.ringing.is_set():
            self.tell("ringing", status=response.status, reason=response.reason)
            self.ringing.set()
        if body := description_of(response):
            self._spawn(self._described(body))

    def on_answered(self, session: Session, response: Response) -> None:
        self._heard = True
        if isinstance(session, ClientSession):
            self._spawn(self._connected(description_of(response)))

    async def _connected(self, body: bytes) -> None:
        if not await self._described(body):
            self.hang_up()
        elif not self.over.is_set():
            self._is_answered()

    async def _described(self, body: bytes) -> bool:
        """Take their answer; False when it cannot be used."""
        if not body and self.sound.agreed is not None:
            return True  # it came with a provisional response already
        async with self._turn:
            try:
                await self.sound.take_answer(body)
            except (CallFailed, RemoteProtocolError, MediaError) as error:
                self.tell("problem", text=f"their description cannot be used: {error}")
                return False
            return True

    def on_failed(self, _session: Session, status: int, reason: str, response: Response | None) -> None:
        # Our own CANCEL brings the 487 of a call that we gave up.
        self._refusal = (status, reason, response is not None or self._heard)
        self._ended_by = self._ended_by or ("peer" if response is not None else "")
        self._finish()

    def on_cancelled(self, _session: Session, _request: Request) -> None:
        self._refusal = (487, reason_phrase(487), True)
        self._ended_by = "peer"
        self._finish()

    def on_acknowledged(self, _session: Session, ack: Request) -> None:
        if body := description_of(ack):
            self._spawn(self._connected(body))

    def on_request(self, session: Session, incoming: Incoming) -> None:
        request, now = incoming.request, self._phone.endpoint.now()
        if request.method == "INFO":
            self._hear_key(request)
        if request.method in {"INFO", "OPTIONS"}:
            incoming.respond(200, now=now)
        else:
            incoming.respond(405, extra=self._phone.endpoint.capabilities, now=now)

    def _hear_key(self, request: Request) -> None:
        if not request.headers.get("Content-Type", "").lower().startswith("application/dtmf"):
            return
        for line in request.body.decode("utf-8", "replace").splitlines():
            name, _, value = line.partition("=")
            if name.strip().lower() == "signal" and value.strip().upper()[:1] in _DIGITS:
                self.tell("dtmf", digit=value.strip()[:1], by="info")

    def on_offer(self, session: Session, incoming: Incoming) -> None:
        self._spawn(self._offered(session, description_of(incoming.request)))

    async def _offered(self, session: Session, body: bytes) -> None:
        async with self._turn:
            try:
                described = await (self.sound.answer(body) if body else self.sound.offer())
            except (CallFailed, RemoteProtocolError) as error:
                session.reoffer.refuse(error.status)
            except MediaError:
                session.reoffer.refuse(503)
            else:
                session.reoffer.answer(described)

    def on_refresh(self, _session: Session) -> None:
        """This phone takes no part in session timers."""

    def on_offer_withdrawn(self, _session: Session) -> None:
        """It was refused already."""

    def on_ended(self, _session: Session, code: str, _request: Request | None) -> None:
        self._ended_by = {"bye": "peer", "hangup": "us"}.get(code, self._ended_by)
        self._finish()

    # Endings

    def _is_answered(self) -> None:
        self._answered_at = self._loop.time()
        agreed = self.sound.agreed
        codec, remote = (
            (agreed.codec, host_port(agreed.stream.address, agreed.stream.port)) if agreed else ("?", "?")
        )
        self.tell("answered", codec=codec, remote=remote)
        self.answered.set()

    def _finish(self) -> None:
        if not self.over.is_set() and self.outcome is None:
            self.outcome = self._summary(None)
            self._spawn(self._close())

    async def _close(self) -> None:
        async with self._turn:
            figures = await self.sound.close()
        self.outcome = self._summary(figures)
        self._phone.closed(self, self.outcome)
        self.over.set()

    def _summary(self, figures: PortStatistics | None) -> Outcome:
        now = self._loop.time()
        answered = self._answered_at is not None
        status, reason, heard = (200, "OK", True) if answered else self._refusal
        end = self.outcome.talk_s if self.outcome is not None else now - (self._answered_at or now)
        ring = (self._answered_at or now) - self._began_at
        rang = self.outcome.ring_s if self.outcome is not None else ring
        return Outcome(self.number, status, reason, answered, heard, self._ended_by, rang, end, figures)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        self._phone.spawn(work)
