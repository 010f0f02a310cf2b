"""A scripted peer of the protocol NG: it answers as rtpengine would, or fails to as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Self

from tests.peers.ports import free_ports
from trunkline.media.ng.bencode import Decoded, Encodable, decode, encode

Reply = dict[str, Encodable]


class NgPeer(asyncio.DatagramProtocol):
    """Ready when entered. ``told`` has every question; ``lose`` so many of the next ones get no answer.

    ``twice`` sends each answer twice, ``astray`` first one with a cookie of nobody's. ``port`` 0 takes one that
    nobody else gets when it dies.
    """

    def __init__(self, port: int = 0) -> None:
        self.port = port or free_ports(1)
        self.told: list[dict[str, Decoded]] = []
        self.cookies: list[bytes] = []
        self.lose = 0
        self.twice = False
        self.astray = False
        self.garbled = False
        self.answer: Callable[[dict[str, Decoded]], Reply] = self.usual
        self._next = 30_000
        self._ports: dict[object, int] = {}
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def url(self) -> str:
        """As the settings have it."""
        return f"udp:127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", self.port)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self.die()

    def die(self) -> None:
        """Answer nothing more."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def commands(self) -> list[str]:
        """What was asked, pings left out."""
        names = [bytes(one["command"]).decode() for one in self.told if isinstance(one["command"], bytes)]
        return [name for name in names if name != "ping"]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        cookie, _, body = data.partition(b" ")
        question = decode(body)
        assert isinstance(question, dict)
        self.told.append(question)
        self.cookies.append(cookie)
        if self.lose and question["command"] != b"ping":
            self.lose -= 1
            return
        answer = encode(self.answer(question))
        if self.astray:
            self._send(b"nobodys " + answer, addr)
        for _ in range(2 if self.twice else 1):
            self._send(cookie + b" " + (b"d3:" if self.garbled else answer), addr)

    def _send(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None:
            self._transport.sendto(data, addr)

    def usual(self, question: dict[str, Decoded]) -> Reply:
        """As rtpengine answers when all is well."""
        command = question["command"]
        if command == b"ping":
            return {"result": "pong"}
        if command in {b"publish", b"offer", b"answer"}:
            tag = question["to-tag"] if command == b"offer" else question["from-tag"]
            return {"result": "ok", "sdp": self._description(tag)}
        return {"result": "ok"}

    def _description(self, tag: object) -> str:
        if tag not in self._ports:
            self._ports[tag] = self._next
            self._next += 2
        return f"v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio {self._ports[tag]} RTP/AVP 0\r\n"
