"""NG over UDP: a message a datagram, sent again while no answer comes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from trunkline.base.errors import TransportError
from trunkline.media.ng.bencode import Encodable
from trunkline.media.ng.courier import RESENDS, Answer, Courier

MAX_DATAGRAM: Final = 65_507
_AGAIN_S: Final = 1.0  # between tries to open the socket


class UdpTransport:
    """Connected to one instance, so that the system drops datagrams of others."""

    answer_octets = MAX_DATAGRAM

    def __init__(self, host: str, port: int, resends: tuple[float, ...] = RESENDS) -> None:
        self._peer = host, port
        self._name = f"rtpengine at {host}:{port}"
        self._socket: asyncio.DatagramTransport | None = None
        self._opened_at = -_AGAIN_S
        self.courier = Courier(self._name, self._send, resends)

    async def start(self) -> None:
        """Open the socket; when that fails now it is tried again with the next question."""
        loop = asyncio.get_running_loop()
        self._opened_at = loop.time()
        try:
            self._socket, _ = await loop.create_datagram_endpoint(
                lambda: _Receiver(self.courier), remote_addr=self._peer
            )
        except OSError:
            self._socket = None

    async def stop(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self.courier.fail("the media engine is stopped")

    async def ask(self, question: Mapping[str, Encodable], within_s: float) -> Answer:
        """As ``Transport.ask``."""
        if self._socket is None and asyncio.get_running_loop().time() - self._opened_at >= _AGAIN_S:
            await self.start()
        return await self.courier.ask(question, within_s)

    def _send(self, message: bytes) -> None:
        if self._socket is None:
            raise TransportError(f"{self._name}: no socket can be opened to it")
        if len(message) > MAX_DATAGRAM:
            raise TransportError(f"{self._name}: {len(message)} octets are too many for a datagram")
        self._socket.sendto(message)


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, courier: Courier) -> None:
        self._courier = courier

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._courier.receive(data)

    def error_received(self, exc: Exception) -> None:
        """Refused by its host: it may be starting, the question is sent again."""
