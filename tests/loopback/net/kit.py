"""A ``Net`` that notes what it hears, and raw sockets that talk to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable
from typing import Any

from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.uri import parse_uri

from tests.peers.ports import free_ports
from trunkline.base.errors import TransportError
from trunkline.net import Flow, Listener, Net, NetSettings, TlsSettings

DEADLINE_S = 60.0
REQUEST = b"OPTIONS sip:a@b SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n"
ANSWER = b"SIP/2.0 200 OK\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n"


class Exchange:
    """A started ``Net``: what came up, which flows closed, which sends failed."""

    def __init__(self, settings: NetSettings, tls: TlsSettings | None = None) -> None:
        self.messages: asyncio.Queue[tuple[bytes, Flow]] = asyncio.Queue()
        self.closed: asyncio.Queue[Flow] = asyncio.Queue()
        self.failures: asyncio.Queue[TransportError] = asyncio.Queue()
        self.raises: Exception | None = None
        self.peers: list[Peer] = []
        self.net = Net(asyncio.get_running_loop(), self.on_message, self.closed.put_nowait, settings, tls)

    async def start(self, *listeners: str | Listener) -> None:
        await self.net.start([Listener(one) if isinstance(one, str) else one for one in listeners])

    def on_message(self, data: bytes, flow: Flow) -> None:
        self.messages.put_nowait((data, flow))
        if self.raises is not None:
            raise self.raises

    def on_failure(self, error: TransportError) -> None:
        self.failures.put_nowait(error)

    async def heard(self) -> tuple[bytes, Flow]:
        async with asyncio.timeout(DEADLINE_S):
            return await self.messages.get()

    async def failed(self) -> TransportError:
        async with asyncio.timeout(DEADLINE_S):
            return await self.failures.get()

    async def ended(self) -> Flow:
        async with asyncio.timeout(DEADLINE_S):
            return await self.closed.get()

    async def peer(self, index: int = 0) -> Peer:
        """A socket of its own connected to one of the listeners."""
        peer = await Peer.connect(self.net.listeners[index])
        self.peers.append(peer)
        return peer

    async def tls_peer(self, context: ssl.SSLContext, name: str = "", index: int = 0) -> TlsPeer:
        """A connection of its own to one of the listeners, its handshake done."""
        return await TlsPeer.shake_hands(await self.peer(index), context, name)

    def close_peers(self) -> None:
        for peer in self.peers:
            peer.close()


class Peer:
    """A connected UDP or TCP socket."""

    def __init__(self, raw: socket.socket) -> None:
        raw.setblocking(False)
        self.raw = raw
        self.loop = asyncio.get_running_loop()

    @classmethod
    async def connect(cls, listener: Listener) -> Peer:
        kind = socket.SOCK_DGRAM if listener.transport == "UDP" else socket.SOCK_STREAM
        peer = cls(socket.socket(listener.family, kind))
        async with asyncio.timeout(DEADLINE_S):
            await peer.loop.sock_connect(peer.raw, (listener.host, listener.port))
        return peer

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.raw.getsockname()[:2]
        return host, port

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(DEADLINE_S):
            await self.loop.sock_sendall(self.raw, data)

    async def receive(self, size: int | None = None) -> bytes:
        """One datagram or segment; with ``size``, exactly so many bytes of a stream."""
        async with asyncio.timeout(DEADLINE_S):
            data = await self.loop.sock_recv(self.raw, size or 65535)
            while size and data and len(data) < size:
                more = await self.loop.sock_recv(self.raw, size - len(data))
                if not more:
                    break
                data += more
            return data

    async def end(self) -> bool:
        """True when the other side closed or reset the connection, whatever it sent before."""
        try:
            while await self.receive():
                pass
        except ConnectionError:
            pass
        return True

    def reset(self) -> None:
        """Close with a RST instead of a FIN."""
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.raw.close()

    def close(self) -> None:
        self.raw.close()


class TlsPeer:
    """TLS over a connected socket, as client or as server."""

    def __init__(
        self, peer: Peer, tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO
    ) -> None:
        self.peer = peer
        self.tls = tls
        self._incoming = incoming
        self._outgoing = outgoing

    @classmethod
    async def shake_hands(
        cls, peer: Peer, context: ssl.SSLContext, name: str = "", *, server: bool = False
    ) -> TlsPeer:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=server, server_hostname=name or None)
        one = cls(peer, tls, incoming, outgoing)
        try:
            await one._until_done(tls.do_handshake)
        finally:
            await one._pump()  # an alert is to arrive too
        return one

    async def send(self, data: bytes) -> None:
        self.tls.write(data)
        await self._pump()

    async def receive(self, size: int | None = None) -> bytes:
        """What one record holds; with ``size``, exactly so many bytes; b"" at the end."""
        data: bytes = await self._until_done(lambda: self.tls.read(size or 65536))
        while size and data and len(data) < size:
            left = size - len(data)
            more: bytes = await self._until_done(lambda: self.tls.read(left))  # noqa: B023  (called at once)
            if not more:
                break
            data += more
        return data

    async def end(self) -> bool:
        """True when the other side said goodbye, or just closed."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while await self.receive():
                pass
        return True

    @property
    def certificate_names(self) -> set[str]:
        """What the other side's certificate is for."""
        certificate: dict[str, Any] = self.tls.getpeercert() or {}
        return {text for _, text in certificate.get("subjectAltName", ())}

    async def _until_done(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._pump()
                data = await self.peer.receive()
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
                continue
            await self._pump()
            return result

    async def _pump(self) -> None:
        if data := self._outgoing.read():
            await self.peer.send(data)


class WebPeer:
    """A WebSocket client over a socket or over TLS."""

    def __init__(self, stream: Peer | TlsPeer, **options: Any) -> None:
        self.stream = stream
        self.protocol = ClientProtocol(parse_uri("ws://localhost/"), **options)
        self._events: deque[Any] = deque()

    @classmethod
    async def open(cls, stream: Peer | TlsPeer, **options: Any) -> WebPeer:
        """Raises what the websockets library makes of a refusal."""
        one = cls(stream, **({"subprotocols": ["sip"]} | options))
        one.protocol.send_request(one.protocol.connect())
        await one._pump()
        await one.event()
        if one.protocol.handshake_exc is not None:
            raise one.protocol.handshake_exc
        return one

    async def send(self, data: bytes, *, binary: bool = False) -> None:
        (self.protocol.send_binary if binary else self.protocol.send_text)(data)
        await self._pump()

    async def send_frame(self, frame: Frame) -> None:
        """Any frame, however wrong it is here."""
        await self.stream.send(frame.serialize(mask=True))

    async def event(self) -> Any:
        """The next frame or response; None at the end of the connection."""
        while not self._events:
            data = await self.stream.receive()
            if not data:
                return None
            self.protocol.receive_data(data)
            self._events.extend(self.protocol.events_received())
            with contextlib.suppress(ConnectionError):
                await self._pump()
        return self._events.popleft()

    async def receive(self) -> bytes:
        return bytes((await self.event()).data)

    async def closed_with(self) -> int | None:
        """The code of the close frame that comes; None when the connection just ends."""
        with contextlib.suppress(ConnectionError):
            while (event := await self.event()) is not None:
                if event.opcode is Opcode.CLOSE:
                    return Close.parse(event.data).code
        return None

    async def _pump(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                await self.stream.send(data)


def dead_port() -> int:
    """A port at which nobody listens, on any address: nobody else gets those of our share."""
    return free_ports(1, "")
