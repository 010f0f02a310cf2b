"""A leg that ends at our own media engine: echo, tones, later announcements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trunkline.base.errors import CallFailed, MediaError, RemoteProtocolError
from trunkline.call.leg_media import remote_of
from trunkline.media import offer_answer
from trunkline.media.commands import Echo, Tone
from trunkline.media.engine import MediaEngine
from trunkline.media.offer_answer import agreed_for_service, answer_for_service, offer_for_service

if TYPE_CHECKING:
    from trunkline.call.sip_leg import SipLeg


class ServiceMedia:
    """The agreed media of a service leg, and what the engine does on its port."""

    __slots__ = ("_engine", "_leg", "_port", "_replay", "media")

    def __init__(self, leg: SipLeg, engine: MediaEngine) -> None:
        self._leg = leg
        self._engine = engine
        self._port = ""
        self._replay: Echo | Tone | None = None
        self.media: offer_answer.ServiceMedia | None = None

    async def agree(self, offer: bytes) -> bytes:
        """Our description: the answer to the caller's offer, or an offer when it sent none."""
        media = self._leg.media
        local = await media.open_one()
        self._port = media.ports[0] or ""
        if not offer:
            return offer_for_service(local, media.identity).encode()
        text, self.media = answer_for_service(offer.decode("utf-8", "surrogateescape"), local, media.identity)
        await self._hear()
        return text.encode("utf-8", "surrogateescape")

    async def _hear(self) -> None:
        if self.media is not None:
            await self._engine.execute(remote_of(self._port, self.media.stream, mux=self.media.mux))

    async def acknowledged(self, body: bytes) -> None:
        """The ACK; with a body it answers the offer that we made."""
        if self.media is None and body:
            self.media = agreed_for_service(body.decode("utf-8", "surrogateescape"))
            await self._hear()
            if self._replay is not None:
                await self._start(self._replay)

    async def offered(self, body: bytes) -> None:
        """A re-INVITE: hold, resume, a new address."""
        leg = self._leg
        try:
            if not body:
                local = await leg.media.open_one()
                self.media = None
                leg.answer_offer(offer_for_service(local, leg.media.identity).encode())
                return
            leg.answer_offer(await self.agree(body))
            if self._replay is not None:
                await self._start(self._replay)
        except (CallFailed, RemoteProtocolError) as error:
            leg.refuse_offer(error.status)
        except MediaError:
            leg.refuse_offer(503)

    async def echo(self) -> None:
        """Send back what the caller says, until it hangs up."""
        await self._start(Echo(self._port))

    async def tone(self, frequency_hz: float = 440.0, level_dbov: float = -15.0) -> None:
        """Play a sine tone until the caller hangs up."""
        payload_type = self.media.payload_type if self.media is not None else 0
        await self._start(Tone(self._port, frequency_hz, level_dbov, payload_type))

    async def _start(self, command: Echo | Tone) -> None:
        self._replay = command
        if self.media is not None:
            if isinstance(command, Tone):
                command.payload_type = self.media.payload_type
            await self._engine.execute(command)
