"""A network in memory: datagrams between endpoints with seeded loss, delay, reordering and duplication."""

from __future__ import annotations

import asyncio
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

    def node(self, host: str, port: int = 5060, transport: str = "udp") -> Node:
        node = Node(self, Listener(f"{transport}:{host}:{port}"))
        self.nodes[host, port] = node
        return node

    def carry(self, data: bytes, source: Node, target: tuple[str, int]) -> None:
        dice, weather = self.random, self.weather
        reliable = source.listener.transport == "TCP"
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
            self.loop.call_later(delay + order, self._deliver, data, source, target)

    def _deliver(self, data: bytes, source: Node, target: tuple[str, int]) -> None:
        node = self.nodes.get(target)
        if node is not None and node.receive is not None:
            node.receive(data, MemoryFlow(node, source.address))

    def sent(self, start: str) -> int:
        """How many datagrams began with this text, lost ones included."""
        return sum(data.startswith(start.encode()) for _, _, _, data in self.log)


class Node:
    """One host: what an endpoint takes for its ``net``."""

    def __init__(self, network: MemoryNetwork, listener: Listener) -> None:
        self.network = network
        self.listener = listener
        self.receive: Callable[[bytes, Flow], None] | None = None

    @property
    def address(self) -> tuple[str, int]:
        return self.listener.host, self.listener.port

    def flow_to(self, transport: str, host: str, port: int, prefer: Listener | None = None) -> Flow:
        return MemoryFlow(self, (host, port))

    def flow_from_token(self, token: str) -> Flow | None:
        host, _, port = token.rpartition("|")[2].rpartition(":")
        return MemoryFlow(self, (host, int(port)))


class MemoryFlow:
    """A flow of the memory network."""

    closed = False

    def __init__(self, node: Node, remote: tuple[str, int]) -> None:
        self.node = node
        self.remote = remote
        self.listener = node.listener
        self.transport = node.listener.transport
        self.reliable = node.listener.transport == "TCP"

    @property
    def token(self) -> str:
        return f"{self.transport}|{self.listener.sent_by}|{self.remote[0]}:{self.remote[1]}"

    def send(self, data: bytes, on_failure: Failure | None = None) -> None:
        if self.remote not in self.node.network.nodes and on_failure is not None and self.reliable:
            self.node.network.loop.call_soon(on_failure, TransportError("connection refused"))
            return
        self.node.network.carry(data, self.node, self.remote)

    def on_close(self, callback: Callable[[Flow], None]) -> None:
        """Never closed."""

    def off_close(self, callback: Callable[[Flow], None]) -> None:
        """Never closed."""
