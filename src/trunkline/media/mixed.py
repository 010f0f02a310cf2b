"""Two media engines as one: parties who talk to us are served in this process, calls between parties by a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from trunkline.base.errors import MediaError
from trunkline.media import commands as c
from trunkline.media.engine import Listener, MediaEngine
from trunkline.media.ng.engine import RtpengineCluster
from trunkline.media.ng.plan import InstanceState
from trunkline.media.statistics import EngineCounters


class MixedEngine:
    """Implements ``MediaEngine``: where a port is, ``OpenPort.terminates`` decides, and so it stays.

    Ports of both cannot be linked. Rooms, and recordings of ports in this process, are of this process.
    """

    def __init__(self, here: MediaEngine, cluster: RtpengineCluster) -> None:
        self._here = here
        self._cluster = cluster
        self._away: set[str] = set()  # ports of the cluster

    async def start(self) -> None:
        """Both."""
        await self._here.start()
        try:
            await self._cluster.start()
        except BaseException:
            await self._here.stop()
            raise

    async def stop(self) -> None:
        """Both."""
        await self._cluster.stop()
        await self._here.stop()
        self._away.clear()

    async def execute(self, command: c.Command[c.R]) -> c.R:
        """Carry a command out where its port is."""
        if isinstance(command, c.CloseOwner):
            return await self._close_owner(command)  # type: ignore[return-value]  # the reply is the command's
        if isinstance(command, c.OpenPort):
            return await self._open(command)  # type: ignore[return-value]  # the reply is the command's
        away = getattr(command, "port", "") in self._away
        other = getattr(command, "other", "")
        if other and (other in self._away) != away:
            raise MediaError(
                "a party that talks to us and one that rtpengine serves cannot be joined",
                "media.not_with_rtpengine",
            )
        if not away:
            return await self._here.execute(command)
        if isinstance(command, c.ClosePort):
            self._away.discard(command.port)
        return await self._cluster.execute(command)

    async def _open(self, command: c.OpenPort) -> c.PortOpened:
        if command.terminates:
            return await self._here.execute(command)
        opened = await self._cluster.execute(command)
        self._away.add(command.port)
        return opened

    async def _close_owner(self, command: c.CloseOwner) -> c.OwnerClosed:
        here, away = await asyncio.gather(self._here.execute(command), self._cluster.execute(command))
        self._away.difference_update(one.port for one in away.statistics)
        return c.OwnerClosed((*here.statistics, *away.statistics))

    def subscribe(self, listener: Listener, owner: str | None = None) -> Callable[[], None]:
        """To the events of both."""
        ends = (self._here.subscribe(listener, owner), self._cluster.subscribe(listener, owner))

        def unsubscribe() -> None:
            for end in ends:
                end()

        return unsubscribe

    def snapshot(self) -> EngineCounters:
        """The ports of both; without an instance that is up no call between parties finds a port."""
        counters, away = self._here.snapshot(), self._cluster.snapshot()
        counters.ports_open += away.ports_open
        if not away.ports_free:
            counters.ports_free = 0
        return counters

    def states(self) -> list[InstanceState]:
        """How each rtpengine is."""
        return self._cluster.states()
