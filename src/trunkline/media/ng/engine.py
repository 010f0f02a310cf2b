"""A cluster of rtpengine instances as a ``MediaEngine``: ports become parties of calls, links offer and answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Final

from trunkline.base.errors import MediaError
from trunkline.media import commands as c
from trunkline.media.engine import Listener
from trunkline.media.events import DtmfReceived, EngineLeaving
from trunkline.media.listeners import Listeners
from trunkline.media.ng.awaiting import Awaiting
from trunkline.media.ng.call import NgCall, NgPort
from trunkline.media.ng.cluster import Cluster
from trunkline.media.ng.courier import Answer
from trunkline.media.ng.departed import Departed
from trunkline.media.ng.dtmf_log import KeyPress
from trunkline.media.ng.figures import fill
from trunkline.media.ng.instance import Instance
from trunkline.media.ng.key_hearing import KeyHearing
from trunkline.media.ng.linking import close_port
from trunkline.media.ng.moving import move
from trunkline.media.ng.opening import open_again, open_anywhere, open_beside
from trunkline.media.ng.plan import ClusterPlan, InstanceState
from trunkline.media.ng.sounds import Sounds
from trunkline.media.ng.strays import Strays
from trunkline.media.ng.telling import NOTED, Telling
from trunkline.media.ng.turns import Turns
from trunkline.media.ng.watch import Watch, lose
from trunkline.media.statistics import EngineCounters, PortStatistics

_DONE: Final = c.Done()
_GOODBYE_S: Final = 2.0
_STRAYS_S: Final = 5.0
_AT_ONCE: Final = 256  # questions to an instance when all its calls end; it takes a few thousand


class RtpengineCluster:
    """Implements ``MediaEngine``. What rtpengine cannot do is refused with ``media.not_with_rtpengine``.

    A port's id is a party's tag at rtpengine, its owner the call. Beyond the codes of the commands there are
    ``media.no_engine`` (none is up), ``media.engine_silent`` and ``media.engine_refused`` (no answer, or a refusal),
    and ``media.engine_lost`` (the one that has the port is gone).
    """

    def __init__(self, plan: ClusterPlan) -> None:
        self._plan = plan
        self._cluster = Cluster(plan, self._changed)
        self._listeners = Listeners()
        self._calls: dict[str, NgCall] = {}
        self._ports: dict[str, NgPort] = {}
        self._sounds = Sounds(self._listeners.tell, self._spawn)
        self._watch = Watch(self._calls.values, self._listeners.tell, plan.inactivity_s)
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns = Turns()
        self._keys = KeyHearing(self._take_key)
        self._departed = Departed(self._spawn)
        self._awaiting = Awaiting(self._cluster, self._departed)
        self._strays = Strays(self._departed, self._spawn, self._cluster.prefix)
        telling = Telling(self._spawn, self._port, self._sounds)
        self._handlers: dict[type, Callable[[NgPort, Any], Coroutine[Any, Any, c.Reply]]] = {
            c.SetRemote: telling.set_remote,
            c.SetFormats: telling.set_formats,
            c.SetDirection: telling.set_direction,
            c.SetPlain: telling.set_plain,
            c.Link: telling.link,
            c.Unlink: telling.unlink,
            c.Play: self._sounds.play,
            c.StopPlay: self._sounds.stop_play,
            c.SendDigits: self._sounds.send_digits,
            c.ReadStatistics: self._read_statistics,
            c.ClosePort: self._close_port,
        }

        self._of_all: dict[type, Callable[[Any], Coroutine[Any, Any, c.Reply]]] = {
            c.OpenPort: self._open_port,
            c.CloseOwner: lambda command: self._close_owner(command.owner),
            c.MoveOwner: lambda command: self._move_owner(command.owner),
            c.FindOwner: lambda command: self._find_owner(command.owner),
            c.CloseStrays: lambda _command: self._close_strays(),
        }

    async def start(self) -> None:
        """Look at every instance. That none is up is no error: calls are refused until one is."""
        await self._cluster.start()
        if self._plan.keys_at is not None:
            await self._keys.start(*self._plan.keys_at)
        self._spawn(self._watch.run())

    async def stop(self) -> None:
        """Delete our calls at instances that answer, and end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                gate = asyncio.Semaphore(_AT_ONCE)
                await asyncio.gather(*(self._close_gently(owner, gate) for owner in list(self._calls)))
                await self._departed.say_goodbye(self._cluster.instances)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._keys.stop()
        await self._cluster.stop()
        self._calls.clear()
        self._ports.clear()
        self._listeners.clear()

    async def execute(self, command: c.Command[c.R]) -> c.R:
        """Carry out a command; those of one owner in the order in which they came."""
        of_all = self._of_all.get(type(command))
        if of_all is not None:
            return await of_all(command)  # type: ignore[return-value]  # the reply is the command's
        handler = self._handlers.get(type(command))
        if handler is None:
            raise MediaError(f"rtpengine cannot do this: {command.kind}", "media.not_with_rtpengine")
        port = self._port(getattr(command, "port", ""))
        async with port.call.lock:
            if port.closed:  # while the command waited: told now, it would bring the call to life again
                raise _unknown(port.id)
            if type(command) not in NOTED and not isinstance(command, c.ClosePort):
                self._check(port.call)
            return await handler(port, command)  # type: ignore[return-value]  # the reply is the command's

    def subscribe(self, listener: Listener, owner: str | None = None) -> Callable[[], None]:
        """As ``MediaEngine.subscribe``."""
        return self._listeners.subscribe(listener, owner)

    def snapshot(self) -> EngineCounters:
        """Only the ports are known: how many are free at an instance, it does not tell."""
        free = 65_536 if any(one.takes_calls for one in self._cluster.instances) else 0
        return EngineCounters(ports_open=len(self._ports), ports_free=free)

    def states(self) -> list[InstanceState]:
        """How each instance is, in the order of the settings."""
        return self._cluster.states()

    def drain(self, name: str, *, move: bool = False, undo: bool = False) -> InstanceState | None:
        """Give an instance no new calls from now on; None when none has this name.

        With ``move`` the owners of the calls that it has are told ``EngineLeaving``. Nothing of it outlives us.
        """
        instance = self._cluster.named(name)
        if instance is None:
            return None
        instance.draining = not undo
        if move and not undo:
            for call in [call for call in self._calls.values() if call.instance is instance and call.ports]:
                self._listeners.tell(EngineLeaving(call.owner, next(iter(call.ports)), name))
        return instance.status()

    def linked_with(self, port: str) -> tuple[str, bool]:
        """The port that a port is linked with, empty without one, and whether they are converted between."""
        one = self._port(port)
        return (one.link.id if one.link is not None else "", one.convert)

    # Ports

    def _port(self, port: str) -> NgPort:
        found = self._ports.get(port)
        if found is None:
            raise _unknown(port)
        return found

    def _check(self, call: NgCall) -> None:
        if not call.here:
            raise MediaError(
                f"{call.instance.name}, which has the call's ports, is gone", "media.engine_lost"
            )

    async def _open_port(self, command: c.OpenPort) -> c.PortOpened:
        if command.port in self._ports:
            raise MediaError(f"the port {command.port!r} is open already", "media.duplicate_port")
        async with self._turns.of(command.owner):
            known = self._calls.get(command.owner)
            if command.rtp_port and (awaited := self._awaiting.open(known, command)) is not None:
                opened = awaited
            elif command.rtp_port:
                opened = await open_again(self._cluster, self._departed, known, command)
            elif known is not None:
                self._check(known)
                async with known.lock:
                    opened = await open_beside(known, command)
            else:
                opened = await open_anywhere(self._cluster, self._departed, command)
            self._take(opened)
        return _opened(opened)

    def _take(self, opened: NgPort) -> None:
        call = opened.call
        if call.owner not in self._calls:
            self._calls[call.owner] = call
            call.instance.sessions += 1
        opened.heard_at = asyncio.get_running_loop().time()
        call.ports[opened.id] = self._ports[opened.id] = opened

    async def _close_port(self, port: NgPort, command: c.ClosePort) -> c.StatisticsRead:
        port.closed = True
        del self._ports[port.id], port.call.ports[port.id]
        self._sounds.forget(port)
        linked = port.link
        if linked is not None:
            port.link = linked.link = None
        if port.call.instance.up and not port.call.lost:
            with contextlib.suppress(MediaError):
                answer = await close_port(port)
                fill(port.statistics, answer, linked.id if linked else "", port.earlier)
        port.call.closed.append(port.statistics)
        return c.StatisticsRead(port.statistics)

    async def _find_owner(self, owner: str) -> c.OwnerFound:
        call = self._calls.get(owner)
        while call is not None and call.awaited:
            await self._awaiting.until_up()
            async with self._turns.of(owner), call.lock:
                if self._calls.get(owner) is call:
                    await self._awaiting.look(call)
            call = self._calls.get(owner)
        return c.OwnerFound(known=call is not None and not call.lost)

    async def _move_owner(self, owner: str) -> c.OwnerMoved:
        async with self._turns.of(owner):
            call = self._calls.get(owner)
            if call is None or not call.ports:
                return c.OwnerMoved()
            async with call.lock:
                moved = await move(self._cluster, self._departed, call)
            if moved is None:
                return c.OwnerMoved()
            for port in call.ports.values():
                self._sounds.interrupt(port)
            return c.OwnerMoved(tuple(_opened(port) for port in call.ports.values()), *moved)

    async def _close_owner(self, owner: str) -> c.OwnerClosed:
        async with self._turns.of(owner):
            call = self._calls.pop(owner, None)
        self._listeners.forget(owner)
        if call is None:
            return c.OwnerClosed(())
        call.instance.sessions -= 1
        async with call.lock:
            ports = list(call.ports.values())
            for port in ports:
                self._ports.pop(port.id, None)
                self._sounds.forget(port)
            answer = await self._delete(call)
        for port in ports:
            if answer is not None:
                fill(port.statistics, answer, port.link.id if port.link else "", port.earlier)
            port.closed = True
        call.ports.clear()
        return c.OwnerClosed((*call.closed, *(port.statistics for port in ports)))

    async def _close_gently(self, owner: str, gate: asyncio.Semaphore) -> None:
        async with gate:
            await self._close_owner(owner)

    async def _delete(self, call: NgCall) -> Answer | None:
        """End it at its instance; its last figures."""
        if call.awaited:
            self._awaiting.leave(call)
            return None
        if call.instance.up:
            try:
                # A call that is deleted as a whole is not told of.
                answer = await call.instance.ask("query", call_id=call.id)
                await call.instance.ask("delete", call_id=call.id, delete_delay=0)
            except MediaError as error:
                if error.code != "media.engine_silent":
                    return None  # it does not know the call any more
            else:
                return answer
        self._departed.leave(call.instance, call.id)
        return None

    async def _read_statistics(self, port: NgPort, command: c.ReadStatistics) -> c.StatisticsRead:
        call = port.call
        answer = await call.instance.ask("query", call_id=call.id)
        fill(port.statistics, answer, port.link.id if port.link else "", port.earlier)
        return c.StatisticsRead(_copy(port.statistics))

    # What instances do

    def _changed(self, instance: Instance) -> None:
        self._awaiting.note()
        calls = [call for call in self._calls.values() if call.instance is instance and not call.awaited]
        if instance.state == "down":
            for call in calls:
                lose(call, "it does not answer", self._listeners.tell)
        elif calls or self._departed.waits_for(instance) or self._strays.waits_for(instance):
            self._spawn(self._welcome(instance, calls))

    async def _welcome(self, instance: Instance, calls: list[NgCall]) -> None:
        """An instance answers again: calls that it still knows go on, those that are over are deleted there."""
        for call in calls:
            if not instance.up:
                return  # there is another welcome; now each question would wait for its answer in vain
            if not call.lost:
                continue
            with contextlib.suppress(MediaError):
                await instance.ask("query", call_id=call.id)
                if call.instance is instance:  # else it was moved meanwhile
                    call.lost = False
        await self._departed.clear(instance)
        await self._strays.look(instance, self._names)

    def _names(self) -> set[str]:
        """Our calls at instances, those that are being opened included."""
        return {call.id for call in self._calls.values()} | {
            self._cluster.call_id(one) for one in self._turns
        }

    async def _close_strays(self) -> c.Done:
        """Whoever has many, or is slow, does not keep the exchange from its start: they are deleted beside it."""
        looks = [self._spawn(self._strays.find(one, self._names)) for one in self._cluster.instances]
        if looks:
            await asyncio.wait(looks, timeout=_STRAYS_S)
        return _DONE

    def _take_key(self, press: KeyPress) -> None:
        call = self._calls.get(press.call.removeprefix(self._cluster.prefix))
        port = call.ports.get(press.party) if call is not None else None
        if port is None:
            return
        if press.digit in port.injected:
            port.injected.remove(press.digit)
            return
        self._listeners.tell(DtmfReceived(port.call.owner, port.id, press.digit, press.duration_ms))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _unknown(port: str) -> MediaError:
    return MediaError(f"no port {port!r} is open", "media.unknown_port")


def _opened(port: NgPort) -> c.PortOpened:
    local = port.local
    return c.PortOpened(
        port.id, local.address, local.address, local.rtp_port, local.rtcp_port,
        here=False, awaited=port.call.awaited,
    )  # fmt: skip


def _copy(statistics: PortStatistics) -> PortStatistics:
    return PortStatistics.from_dict(statistics.to_dict())
