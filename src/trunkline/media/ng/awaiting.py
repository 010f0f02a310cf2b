"""Calls of a process before us that were opened anew while no instance answered: looked for once one does.

Their parties go on speaking to the ports that they know, and an instance may well have gone on relaying: only we do not
see it yet. Until then such a call is as one whose instance is lost: what it is told is noted, and told there later.
"""

from __future__ import annotations

import asyncio

from trunkline.base.errors import MediaError
from trunkline.media.commands import OpenPort
from trunkline.media.ng.call import NgCall, NgPort
from trunkline.media.ng.cluster import Cluster
from trunkline.media.ng.departed import Departed
from trunkline.media.ng.instance import Instance
from trunkline.media.ng.moving import tell_instance
from trunkline.media.ng.opening import kept_place
from trunkline.media.ng.session import LocalAddress

_AT_ONCE = 64  # looks, when the first instance of thousands of calls is there


class Awaiting:
    """``note`` is told of each change of an instance; ``until_up`` waits for one."""

    def __init__(self, cluster: Cluster, departed: Departed) -> None:
        self._cluster = cluster
        self._departed = departed
        self._up = asyncio.Event()
        self._gate = asyncio.Semaphore(_AT_ONCE)

    def note(self) -> None:
        """An instance came up or went down."""
        if self._instances():
            self._up.set()
        else:
            self._up.clear()

    def open(self, known: NgCall | None, command: OpenPort) -> NgPort | None:
        """A port of which nothing is known but what its party was told; None when there is somebody to ask."""
        if not command.address or (not known.awaited if known is not None else bool(self._instances())):
            return None
        call = known or NgCall(
            command.owner,
            self._cluster.call_id(command.owner),
            self._cluster.instances[0],
            lost=True,
            awaited=True,
        )
        place = LocalAddress(command.family, command.address, command.rtp_port, command.rtp_port + 1)
        port = NgPort(command.port, call, place, command.family)
        port.stale = port.was_linked = True
        port.blocked = None
        return port

    async def until_up(self) -> None:
        """Until an instance answers."""
        await self._up.wait()

    async def look(self, call: NgCall) -> bool | None:
        """Whether one that answers has the call, which is there then; None when they fell silent meanwhile.

        Whoever calls holds ``call.lock``.
        """
        async with self._gate:
            for instance in self._instances():
                places = await self._places(instance, call)
                if places is not None:
                    await self._take(call, instance, places)
                    return True
        found = self._instances()
        if not found:
            return None
        self._put(call, found[0])
        for one in self._cluster.instances:
            if not one.up:
                self._departed.note(one, call.id)
        return False

    def leave(self, call: NgCall) -> None:
        """It is over before any has answered: whichever has it is to delete it."""
        for one in self._cluster.instances:
            self._departed.leave(one, call.id)

    def _instances(self) -> list[Instance]:
        return [one for one in self._cluster.instances if one.up]

    async def _places(self, instance: Instance, call: NgCall) -> dict[str, LocalAddress] | None:
        """Where all its ports are at an instance; None when it has not all of them there, and then none."""
        try:
            answer = await instance.ask("query", call_id=call.id)
        except MediaError:
            return None
        found = {
            port.id: kept_place(answer, port.id, port.family, port.local.rtp_port)
            for port in call.ports.values()
        }
        places = {port: place for port, place in found.items() if place is not None}
        if len(places) == len(found):
            return places
        self._departed.note(instance, call.id)
        await self._departed.delete(instance, call.id)
        return None

    async def _take(self, call: NgCall, instance: Instance, places: dict[str, LocalAddress]) -> None:
        self._put(call, instance)
        call.lost = False
        for port in call.ports.values():
            port.local = places[port.id]
        await tell_instance(call)

    def _put(self, call: NgCall, instance: Instance) -> None:
        call.awaited = False
        call.instance.sessions -= 1
        call.instance = instance
        instance.sessions += 1
