"""A ``Net`` that notes what it hears, and raw sockets that talk to it."""

from __future__ import annotations

import asyncio
import socket
import struct

from trunkline.base.errors import TransportError
from trunkline.net import Flow, Listener, Net, NetSettings

DEADLINE_S = 5.0
REQUEST = b"OPTIONS sip:a@b SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n"
ANSWER = b"SIP/2.0 200 OK\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n"


class Exchange:
    """A started ``Net``: what came up, which flows closed, which sends failed."""

    def __init__(self, settings: NetSettings) -> None:
        self.messages: asyncio.Queue[tuple[bytes, Flow]] = asyncio.Queue()
        self.closed: asyncio.Queue[Flow] = asyncio.Queue()
        self.failures: asyncio.Queue[TransportError] = asyncio.Queue()
        self.raises: Exception | None = None
        self.peers: list[Peer] = []
        self.net = Net(asyncio.get_running_loop(), self.on_message, self.closed.put_nowait, settings)

    async def start(self, *urls: str) -> None:
        await self.net.start([Listener(url) for url in urls])

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


def dead_port(kind: socket.SocketKind, host: str = "127.0.0.1") -> int:
    """A port that was free a moment ago."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
