"""A leg that ends at our own media engine: echo, tones, later announcements."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trunkline.base.errors import CallFailed, MediaError, RemoteProtocolError
from trunkline.media import offer_answer
from trunkline.media.commands import Echo, Tone
from trunkline.media.identity import SdpIdentity
from trunkline.media.offer_answer import agreed_for_service, answer_for_service, offer_for_service

if TYPE_CHECKING:
    from trunkline.call.call import Call
    from trunkline.call.leg import Leg


class ServiceMedia:
    """The agreed media of a service leg, and what the engine does on its port."""

    __slots__ = ("_call", "_doing", "_engine", "_leg", "_port", "media")

    def __init__(self, call: Call, leg: Leg) -> None:
        self._call = call
        self._leg = leg
        self._engine = call.context.engine
        self._port = ""
        self._doing: Echo | Tone | None = None
        self.media: offer_answer.ServiceMedia | None = None

    async def agree(self, offer: bytes) -> bytes:
        """Our description: the answer to the caller's offer, or an offer when it sent none."""
        media = self._leg.media
        local = await media.open_one()
        self._port = media.ports[0] or ""
        if not offer:
            return offer_for_service(local, media.identity).encode()
        text, self.media = answer_for_service(_text(offer), local, media.identity)
        await self._hear()
        return text.encode("utf-8", "surrogateescape")

    async def _hear(self) -> None:
        if self.media is not None:
            streams = [self.media.stream]
            await self._leg.media.hear(streams, streams)

    async def acknowledged(self, body: bytes) -> None:
        """The ACK; it answers when we have offered."""
        if self.media is not None:
            return
        try:
            self.media = agreed_for_service(_text(body))
            await self._hear()
            await self._resume()
        except (CallFailed, RemoteProtocolError, MediaError) as error:
            self._call.tell("call.bad_answer", str(error))
            self._call.hang_up(code="call.bad_answer")

    async def offered(self, body: bytes) -> None:
        """A re-INVITE: hold, resume, a new address. We answer for ourselves, at once."""
        leg = self._leg
        try:
            if body:
                leg.answer_offer(await self.agree(body))
                await self._resume()
            else:
                self.media = None
                leg.answer_offer(offer_again(leg.media.identity))
        except (CallFailed, RemoteProtocolError) as error:
            leg.refuse_offer(error.status)
        except MediaError:
            leg.refuse_offer(503)

    async def echo(self) -> None:
        """Send back what the caller says, until it hangs up."""
        await self._start(Echo(self._port))

    async def tone(self, frequency_hz: float = 440.0, level_dbov: float = -15.0) -> None:
        """Play a sine tone until the caller hangs up."""
        await self._start(Tone(self._port, frequency_hz, level_dbov))

    @property
    def doing(self) -> Echo | Tone | None:
        """What the engine was told to do."""
        return self._doing

    async def carry_on(self, command: Echo | Tone) -> None:
        """Do what another process did before it died."""
        self._port = command.port
        self._doing = command
        await self._engine.execute(command)

    async def _start(self, command: Echo | Tone) -> None:
        self._doing = command
        await self._resume()

    async def _resume(self) -> None:
        """Do on, as agreed now; nothing before there is an agreement."""
        command = self._doing
        if self.media is None or command is None:
            return
        if isinstance(command, Tone):
            command.payload_type = self.media.payload_type
        await self._engine.execute(command)


def offer_again(identity: SdpIdentity) -> bytes:
    """What was agreed, as our offer, in answer to a re-INVITE without one.

    A later offer has the m-lines of the session so far (RFC 3264 §8), and nobody is on hold by our wish.
    """
    after = identity.body.split("\r\n", 2)[2]
    for direction in ("sendonly", "recvonly", "inactive"):
        after = after.replace(f"a={direction}\r\n", "a=sendrecv\r\n")
    return identity.stamp(after).encode("utf-8", "surrogateescape")


def _text(body: bytes) -> str:
    return body.decode("utf-8", "surrogateescape")
