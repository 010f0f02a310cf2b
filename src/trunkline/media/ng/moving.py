"""A call opened anew at another instance: its ports keep their ids and what they were told, on other sockets."""

from __future__ import annotations

import asyncio
import contextlib

from trunkline.base.errors import MediaError
from trunkline.media.ng.call import NgCall
from trunkline.media.ng.cluster import Cluster
from trunkline.media.ng.departed import Departed
from trunkline.media.ng.figures import fill
from trunkline.media.ng.instance import Instance
from trunkline.media.ng.linking import gate, open_party, refresh
from trunkline.media.ng.opening import ELSEWHERE
from trunkline.media.ng.session import LocalAddress

UNKNOWN = "Unknown call-id"
"""How rtpengine names a call that it does not have (any more)."""


async def move(cluster: Cluster, departed: Departed, call: NgCall) -> tuple[str, str] | None:
    """The names of the instances that had and have it; None when it may stay.

    Raises MediaError, and nothing is changed. Whoever calls holds ``call.lock``.
    """
    before = call.instance
    forgotten = call.lost and before.up and not await _is_known(call)
    if before.takes_calls and not call.lost:
        return None
    if before.up and not forgotten:
        await _read_figures(call)
    instance, places = await _open_all(cluster, departed, call)
    call.instance, call.lost = instance, False
    before.sessions -= 1
    instance.sessions += 1
    if not forgotten:
        departed.leave(before, call.id)
    _settle(call, places)
    await tell_instance(call)
    return before.name, instance.name


async def _is_known(call: NgCall) -> bool:
    """Whether an instance that is there again still has the call; then it is lost no more."""
    try:
        await call.instance.ask("query", call_id=call.id)
    except MediaError as error:
        return UNKNOWN not in str(error)
    call.lost = False
    return True


async def _read_figures(call: NgCall) -> None:
    with contextlib.suppress(MediaError):
        answer = await call.instance.ask("query", call_id=call.id)
        for port in call.ports.values():
            fill(port.statistics, answer, port.link.id if port.link else "", port.earlier)


async def _open_all(
    cluster: Cluster, departed: Departed, call: NgCall
) -> tuple[Instance, dict[str, LocalAddress]]:
    """Sockets for all its ports at one instance; raises MediaError of the last that was tried."""
    failed = frozenset(one.name for one in cluster.instances if departed.has(one, call.id))
    error: MediaError | None = None
    while True:
        try:
            instance = cluster.choose(failed)
        except MediaError as nobody:
            raise error or nobody from None
        fresh = NgCall(call.owner, call.id, instance)
        try:
            ports = list(call.ports.values())
            opened = [await open_party(fresh, port.id, port.family) for port in ports]
            return instance, {port.id: local for port, local in zip(ports, opened, strict=True)}
        except MediaError as refused:
            departed.note(instance, call.id)
            if instance.up:
                await departed.delete(instance, call.id)
            if refused.code not in ELSEWHERE:
                raise
            error, failed = refused, failed | {instance.name}


def _settle(call: NgCall, places: dict[str, LocalAddress]) -> None:
    """The ports as new ones, of which their instance has been told nothing."""
    now = asyncio.get_running_loop().time()
    call.leaving.clear()
    for port in call.ports.values():
        port.local = places[port.id]
        port.stale, port.was_linked, port.blocked, port.injects = True, False, False, False
        port.source, port.heard, port.heard_at = None, 0, now
        port.peers.clear()
        port.keep_figures()


async def tell_instance(call: NgCall) -> None:
    """Join its ports as they were; what fails now is tried again with the next command."""
    with contextlib.suppress(MediaError):
        for port in call.ports.values():
            if port.link is not None and port.stale:
                await refresh(port)
        await gate(call.ports.values())
