"""Two media engines as one: a cluster relays calls, the engine in this process does what a relay cannot.

A port of the cluster that needs more than relaying gets a *stand-in*: a port in this process that is joined with it by
a loop over the network, hears what its party says, and speaks to that party.

    party -- port ~ loop (both at the rtpengine) -- stand-in (here) -- whatever it is told to do
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from trunkline.base.errors import MediaError
from trunkline.media import commands as c
from trunkline.media.engine import Listener, MediaEngine
from trunkline.media.events import EngineLeaving, EngineLost, MediaEvent
from trunkline.media.ng.engine import RtpengineCluster
from trunkline.media.ng.plan import InstanceState
from trunkline.media.statistics import EngineCounters

_AT_STAND_IN: Final = frozenset({
    c.Play, c.StopPlay, c.Record, c.Echo, c.Tone, c.PlaySignal, c.Join, c.Listen, c.OpenAudio,
})  # fmt: skip
_ONCE_THERE: Final = frozenset({c.SendDigits, c.Unlink})
"""What the cluster does too: at the stand-in when there is one."""
# What is told of the port itself by the cluster, and would be told of the loop besides.
_OF_RELAYING: Final = frozenset({"latched", "inactive", "active"})
_MINE: Final = ".here"
_LOOP: Final = ".loop"


@dataclass(slots=True)
class _Away:
    """A port of the cluster, and what it is told that its stand-in must know."""

    owner: str
    family: c.Family
    formats: c.SetFormats | None = None
    stand_in: str = ""


class MixedEngine:
    """Implements ``MediaEngine``: where a port is, ``OpenPort.here`` decides, and so it stays.

    Encryption and header extensions belong to the port itself: those of a port of the cluster are refused with
    ``media.not_with_rtpengine``.
    """

    def __init__(self, here: MediaEngine, cluster: RtpengineCluster) -> None:
        self._here = here
        self._cluster = cluster
        self._away: dict[str, _Away] = {}
        self._making = asyncio.Lock()  # a stand-in must not be made twice
        self._inner: dict[str, str] = {}
        """Ports that nobody opened but we, and the ports of the cluster that they are for."""
        self._handlers: dict[type, Callable[[Any], Coroutine[Any, Any, Any]]] = {
            c.OpenPort: self._open,
            c.CloseOwner: self._close_owner,
            c.MoveOwner: self._move_owner,
            c.CloseStrays: cluster.execute,
            c.FindOwner: cluster.execute,
            c.Link: self._link,
        }

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
        self._inner.clear()

    async def execute(self, command: c.Command[c.R]) -> c.R:
        """Carry a command out where its port is, or at its stand-in."""
        handler = self._handlers.get(type(command))
        if handler is not None:
            return await handler(command)  # type: ignore[no-any-return]  # the reply is the command's
        if type(command) in _AT_STAND_IN:
            return await self._here.execute(await self._for_stand_in(command))
        away = self._away.get(getattr(command, "port", ""))
        if away is None:
            return await self._here.execute(command)
        return await self._execute_away(command, away)

    async def _execute_away(self, command: c.Command[c.R], away: _Away) -> c.R:
        stand_in = away.stand_in
        if isinstance(command, c.SetFormats):
            away.formats = command
            if stand_in:
                await self._here.execute(replace(command, port=stand_in))
        elif stand_in and type(command) in _ONCE_THERE:
            return await self._here.execute(_about(command, port=stand_in))
        elif isinstance(command, c.ClosePort):
            del self._away[command.port]
            await self._close_stand_in(command.port, away)
        return await self._cluster.execute(command)

    async def _open(self, command: c.OpenPort) -> c.PortOpened:
        if command.here:
            return await self._here.execute(command)
        opened = await self._cluster.execute(command)
        self._away[command.port] = _Away(command.owner, command.family)
        return opened

    async def _close_owner(self, command: c.CloseOwner) -> c.OwnerClosed:
        away = await self._cluster.execute(command)
        here = await self._here.execute(command)
        for port in [port for port, one in self._away.items() if one.owner == command.owner]:
            del self._away[port]
        statistics = tuple(one for one in (*here.statistics, *away.statistics) if one.port not in self._inner)
        for one in (*here.statistics, *away.statistics):
            self._inner.pop(one.port, None)
        return c.OwnerClosed(statistics)

    async def _move_owner(self, command: c.MoveOwner) -> c.OwnerMoved:
        moved = await self._cluster.execute(command)
        for one in moved.ports:
            stands_for = self._inner.get(one.port)
            if stands_for is not None:
                with suppress(MediaError):  # it is being closed: the others have moved all the same
                    await self._here.execute(c.SetRemote(stands_for + _MINE, one.address, one.rtp_port))
        return replace(moved, ports=tuple(one for one in moved.ports if one.port not in self._inner))

    async def _link(self, command: c.Link) -> c.Done:
        ends = [self._away.get(command.port), self._away.get(command.other)]
        if None not in ends and not any(one is not None and one.stand_in for one in ends):
            return await self._cluster.execute(command)
        async with self._making:
            here = [await self._represented(port) for port in (command.port, command.other)]
        return await self._here.execute(c.Link(here[0], here[1], command.convert))

    # Stand-ins

    async def _for_stand_in(self, command: c.Command[c.R]) -> c.Command[c.R]:
        """The same command, about the port here that stands for the one that it names, and the other one."""
        named = {name: getattr(command, name, "") for name in ("port", "other")}
        if command.kind == c.StopPlay.kind:  # for which none need be made
            away = self._away.get(named["port"])
            return _about(command, port=away.stand_in) if away is not None and away.stand_in else command
        async with self._making:
            changed = {
                name: await self._represented(port) for name, port in named.items() if port in self._away
            }
        return _about(command, **changed) if changed else command

    async def _represented(self, port: str) -> str:
        """The port in this process that hears a port's party: itself, or its stand-in, made when it is first wanted."""
        away = self._away.get(port)
        if away is None:
            return port
        if not away.stand_in:
            await self._make_stand_in(port, away)
        return away.stand_in

    async def _make_stand_in(self, port: str, away: _Away) -> None:
        mine, loop = port + _MINE, port + _LOOP
        linked, convert = self._cluster.linked_with(port)
        self._inner[mine] = self._inner[loop] = port
        try:
            ours = await self._here.execute(c.OpenPort(mine, away.owner, away.family))
            theirs = await self._cluster.execute(c.OpenPort(loop, away.owner, away.family))
            await self._cluster.execute(c.SetRemote(loop, ours.advertised, ours.rtp_port))
            await self._here.execute(c.SetRemote(mine, theirs.address, theirs.rtp_port))
            if away.formats is not None:
                await self._here.execute(replace(away.formats, port=mine))
            await self._cluster.execute(c.Link(port, loop))
        except BaseException:
            await self._close_inner(port)
            raise
        away.stand_in = mine
        if linked:  # whom its party talks to goes on to, by a loop of its own
            across = await self._represented(linked)
            await self._here.execute(c.Link(mine, across, convert))

    async def _close_stand_in(self, port: str, away: _Away) -> None:
        if away.stand_in:
            away.stand_in = ""
            await self._close_inner(port)

    async def _close_inner(self, port: str) -> None:
        for engine, inner in ((self._here, port + _MINE), (self._cluster, port + _LOOP)):
            self._inner.pop(inner, None)
            try:
                await engine.execute(c.ClosePort(inner))
            except MediaError:
                continue  # it was never opened, or its instance is gone

    # What both tell

    def subscribe(self, listener: Listener, owner: str | None = None) -> Callable[[], None]:
        """To the events of both; those of stand-ins have the port that they stand for."""

        def here(event: MediaEvent) -> None:
            stands_for = self._inner.get(event.port)
            if stands_for is None:
                listener(event)
            elif event.kind not in _OF_RELAYING:
                listener(replace(event, port=stands_for))

        def away(event: MediaEvent) -> None:
            stands_for = self._inner.get(event.port)
            if stands_for is None:
                listener(event)
            elif isinstance(event, EngineLost | EngineLeaving):  # told of a whole call, by any of its ports
                listener(replace(event, port=stands_for))

        ends = (self._here.subscribe(here, owner), self._cluster.subscribe(away, owner))

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

    def drain(self, name: str, *, move: bool = False, undo: bool = False) -> InstanceState | None:
        """As ``RtpengineCluster.drain``."""
        return self._cluster.drain(name, move=move, undo=undo)


def _about(command: c.Command[c.R], **names: str) -> c.Command[c.R]:
    """The same command with other ports."""
    return replace(command, **names)  # type: ignore[type-var]  # every command is a dataclass
