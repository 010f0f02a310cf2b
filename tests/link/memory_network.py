"""A network in memory: datagrams between endpoints with seeded loss, delay, reordering and duplication."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from trunkline.base.errors import TransportError
from trunkline.net.flow import Failure, Flow
from trunkline.net.listener import Listener


@dataclass
class Weather:
    """Shares 0..1 of lost, doubled and late datagrams; delays in seconds."""

    loss: float = 0.0
    duplicate: float = 0.0
    late: float = 0.0
    delay_s: float = 0.01
    late_by_s: float = 0.08


class MemoryNetwork:
    """All nodes of one test, and the weather between them."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, weather: Weather | None = None, seed: int = 1
    ) -> None:
        self.loop = loop
        self.weather = weather or Weather()
        self.random = random.Random(seed)  # noqa: S311  (a test's repeatable dice)
        self.nodes: dict[tuple[str, int], Node] = {}
        self.log: list[tuple[float, str, str, bytes]] = []
        self.mangle: Callable[[bytes], bytes] = lambda data: data
        self.drop: Callable[[bytes, tuple[str, int], tuple[str, int]], bool] = lambda _data, _src, _dst: False

    def node(self, host: str, port: int = 5060, transport: str = "udp", also: str = "") -> Node:
        """A host with one listener, or two: ``also="tcp"`` accepts connections beside datagrams."""
        node = Node(self, *(Listener(f"{kind}:{host}:{port}") for kind in (transport, also) if kind))
        self.nodes[host, port] = node
        return node

    def carry(self, data: bytes, source: Node, target: tuple[str, int], transport: str = "") -> None:
        dice, weather = self.random, self.weather
        transport = transport or source.listener.transport
        reliable = transport == "TCP"
        data = self.mangle(data)
        self.log.append((self.loop.time(), source.listener.host, target[0], data))
        if self.drop(data, source.address, target):
            return
        if not reliable and dice.random() < weather.loss:
            return
        copies = 2 if not reliable and dice.random() < weather.duplicate else 1
        for _ in range(copies):
            delay = weather.delay_s
            if not reliable and dice.random() < weather.late:
                delay += weather.late_by_s
            # The loop does not keep the order of timers that are due together; a calm network does.
            order = 1e-9 * len(self.log)
            self.loop.call_later(delay + order, self._deliver, data, source, target, transport)

    def _deliver(self, data: bytes, source: Node, target: tuple[str, int], transport: str) -> None:
        node = self.nodes.get(target)
        if node is not None and node.receive is not None and node.silent_since > self.loop.time():
            node.receive(data, MemoryFlow(node, source.address, node.listener_of(transport)))

    def sent(self, start: str) -> int:
        """How many datagrams began with this text, lost ones included."""
        return sum(data.startswith(start.encode()) for _, _, _, data in self.log)


class Node:
    """One host: what an endpoint takes for its ``net``.

    ``refuses_tcp`` and ``deaf_to_tcp`` say what becomes of connections to it: reset at once, or never there.
    From ``silent_since`` on, in the loop's time, it hears nothing any more.
    """

    def __init__(self, network: MemoryNetwork, listener: Listener, *others: Listener) -> None:
        self.network = network
        self.listener = listener
        self.listeners = (listener, *others)
        self.receive: Callable[[bytes, Flow], None] | None = None
        self.refuses_tcp = False
        self.deaf_to_tcp = False
        self.silent_since = math.inf

    def listener_of(self, transport: str) -> Listener:
        """That of a transport, else the first."""
        return next((one for one in self.listeners if one.transport == transport), self.listener)

    @property
    def address(self) -> tuple[str, int]:
        return self.listener.host, self.listener.port

    def flow_to(
        self,
        transport: str,
        host: str,
        port: int,
        prefer: Listener | None = None,
        server_name: str = "",
    ) -> Flow:
        return MemoryFlow(self, (host, port), self.listener_of(transport))

    def flow_from_token(self, token: str) -> Flow | None:
        host, _, port = token.rpartition("|")[2].rpartition(":")
        return MemoryFlow(self, (host, int(port)))


class MemoryFlow:
    """A flow of the memory network."""

    closed = False

    def __init__(self, node: Node, remote: tuple[str, int], listener: Listener | None = None) -> None:
        self.node = node
        self.remote = remote
        self.listener = listener or node.listener
        self.transport = self.listener.transport
        self.reliable = self.transport == "TCP"
        self.waiting: list[Failure] = []

    @property
    def connecting(self) -> object | None:
        """As a connection of ``net``: None once it stands."""
        far = self.node.network.nodes.get(self.remote)
        return self if self.reliable and far is not None and far.deaf_to_tcp else None

    @property
    def token(self) -> str:
        return f"{self.transport}|{self.listener.sent_by}|{self.remote[0]}:{self.remote[1]}"

    def send(self, data: bytes, on_failure: Failure | None = None) -> None:
        network = self.node.network
        far = network.nodes.get(self.remote)
        if self.reliable and (far is None or far.refuses_tcp) and on_failure is not None:
            network.loop.call_soon(on_failure, TransportError("connection refused"))
        elif self.connecting is None:
            network.carry(data, self.node, self.remote, self.transport)
        elif on_failure is not None:
            self.waiting.append(on_failure)

    def abort(self, reason: str) -> None:
        """Give up a connection; what waits in it fails."""
        while self.waiting:
            self.node.network.loop.call_soon(self.waiting.pop(0), TransportError(reason))

    def on_close(self, callback: Callable[[Flow], None]) -> None:
        """Never closed."""

    def off_close(self, callback: Callable[[Flow], None]) -> None:
        """Never closed."""
