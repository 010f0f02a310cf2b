"""A media engine that moves nothing: it keeps the books of ports and links, and fails when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from trunkline.base.errors import MediaError
from trunkline.media.commands import (
    CloseOwner,
    ClosePort,
    Command,
    Done,
    Echo,
    Link,
    OpenPort,
    OwnerClosed,
    PortOpened,
    R,
    Reply,
    SetDirection,
    SetRemote,
    StatisticsRead,
    Tone,
)
from trunkline.media.engine import Listener
from trunkline.media.statistics import EngineCounters, PortStatistics


class FakeEngine:
    """``limit`` ports at most; ``delay_s`` of virtual time for each command; ``fault`` may refuse commands."""

    ADDRESS = "198.51.100.9"

    def __init__(self, limit: int = 64, delay_s: float = 0.0) -> None:
        self.limit = limit
        self.delay_s = delay_s
        self.commands: list[Command[Reply]] = []
        self.owners: dict[str, str] = {}
        self.links: dict[str, str] = {}
        self.remotes: dict[str, SetRemote] = {}
        self.directions: dict[str, SetDirection] = {}
        self.doing: dict[str, Echo | Tone] = {}
        self.rtp_ports: dict[str, int] = {}
        self.fault: Callable[[Command[Reply]], bool] = lambda _command: False
        self._next_port = 20_000

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""

    async def execute(self, command: Command[R]) -> R:
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        self.commands.append(cast("Command[Reply]", command))
        if self.fault(cast("Command[Reply]", command)):
            raise MediaError("refused by the test", "media.refused")
        return cast("R", self._carry_out(cast("Command[Reply]", command)))

    def _carry_out(self, command: Command[Reply]) -> Reply:
        if isinstance(command, OpenPort):
            return self._open(command)
        if isinstance(command, CloseOwner):
            ports = [port for port, owner in self.owners.items() if owner == command.owner]
            return OwnerClosed(tuple(self._close(port) for port in ports))
        port: str = getattr(command, "port", "")
        if port not in self.owners:
            raise MediaError(f"port {port} is not open", "media.unknown_port")
        if isinstance(command, ClosePort):
            return StatisticsRead(self._close(port))
        if isinstance(command, Link):
            if command.other not in self.owners:
                raise MediaError(f"port {command.other} is not open", "media.unknown_port")
            self._unlink(port)
            self._unlink(command.other)
            self.links[port], self.links[command.other] = command.other, port
        elif isinstance(command, SetRemote):
            self.remotes[port] = command
        elif isinstance(command, SetDirection):
            self.directions[port] = command
        elif isinstance(command, Echo | Tone):
            self.doing[port] = command
        return Done()

    def _open(self, command: OpenPort) -> PortOpened:
        if len(self.owners) >= self.limit:
            raise MediaError("no media port is free", "media.ports_exhausted")
        self.owners[command.port] = command.owner
        self._next_port += 2
        self.rtp_ports[command.port] = self._next_port
        return PortOpened(command.port, self.ADDRESS, self.ADDRESS, self._next_port, self._next_port + 1)

    def _close(self, port: str) -> PortStatistics:
        del self.owners[port]
        self._unlink(port)
        return PortStatistics(port, packets_in=50)

    def _unlink(self, port: str) -> None:
        other = self.links.pop(port, None)
        if other is not None:
            self.links.pop(other, None)

    def subscribe(self, listener: Listener, owner: str | None = None) -> Callable[[], None]:
        return lambda: None

    def snapshot(self) -> EngineCounters:
        return EngineCounters(ports_open=len(self.owners), ports_free=self.limit - len(self.owners))

    def relays(self, one: int, other: int) -> bool:
        """Whether the ports with these RTP port numbers of ours are linked."""
        by_number = {number: port for port, number in self.rtp_ports.items()}
        return self.links.get(by_number[one]) == by_number[other]
