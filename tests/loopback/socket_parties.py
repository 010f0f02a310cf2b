"""The parties of the link tests on real sockets."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from tests.link.memory_network import MemoryNetwork
from tests.link.phones import Party
from trunkline.net import Flow, Listener, Net
from trunkline.proto.sip.digest_client import Account
from trunkline.ua.sessions import ClientSession

DEADLINE_S = 60.0


class Sockets:
    """What a party takes for its network and its node: a ``Net``, and a log of what came in and by which way."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.random = random.Random()  # noqa: S311  (a test's dice)
        self.nodes: dict[tuple[str, int], Sockets] = {}
        self.heard: list[tuple[str, bytes]] = []
        self.receive: Any = None
        self.net = Net(self.loop, self._receive)
        self.flow_to = self.net.flow_to
        self.flow_from_token = self.net.flow_from_token

    def node(self, host: str, transport: str = "udp") -> Sockets:
        self.nodes[host, 5060] = self
        return self

    def _receive(self, data: bytes, flow: Flow) -> None:
        self.heard.append((flow.transport, data))
        self.receive(data, flow)

    def ways(self, start: str) -> list[str]:
        """By which transports what begins so came in; its Via says the same."""
        found = [(way, data) for way, data in self.heard if data.startswith(start.encode())]
        assert all(data.split(b"Via: SIP/2.0/")[1].startswith(way.encode()) for way, data in found)
        return [way for way, _ in found]


class SocketParty(Party):
    """A party with real listeners."""

    def __init__(self, sockets: Sockets, account: Account | None = None) -> None:
        super().__init__(cast("MemoryNetwork", sockets), "127.0.0.1", account=account)
        self.sockets = sockets

    @property
    def port(self) -> int:
        return self.sockets.net.listeners[0].port

    def dial(self, uri: str, port: int, body: bytes) -> ClientSession:
        """Invite by UDP, to a port of 127.0.0.1."""
        session = self.endpoint.invite(
            uri,
            self.sockets.flow_to("UDP", "127.0.0.1", port),
            self,
            from_="<sip:alice@a.test>",
            to=f"<{uri}>",
            body=body,
            authorizer=self.authorizer(),
        )
        self.session = session
        return session


@asynccontextmanager
async def socket_party(*urls: str, account: Account | None = None) -> AsyncIterator[SocketParty]:
    """A party that listens on these urls until the end; its session is ended by the test."""
    party = SocketParty(Sockets(), account)
    await party.sockets.net.start([Listener(url) for url in urls])
    try:
        yield party
    finally:
        await party.sockets.net.stop()
        party.endpoint.close()
