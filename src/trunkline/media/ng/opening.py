"""Where a port is opened: at the instance that has its owner's others, at the least busy one, or where it was."""

from __future__ import annotations

import contextlib
from typing import Final

from trunkline.base.errors import MediaError
from trunkline.media.commands import OpenPort
from trunkline.media.ng.call import NgCall, NgPort
from trunkline.media.ng.cluster import Cluster
from trunkline.media.ng.courier import Answer
from trunkline.media.ng.departed import Departed
from trunkline.media.ng.figures import streams_of
from trunkline.media.ng.linking import open_party
from trunkline.media.ng.session import LocalAddress

# What another instance may do better: this one does not answer, or has no port or no leave for more.
ELSEWHERE: Final = frozenset({"media.engine_silent", "media.engine_refused", "media.family"})


async def open_beside(call: NgCall, command: OpenPort) -> NgPort:
    """Another port of a call."""
    local = await open_party(call, command.port, command.family)
    return NgPort(command.port, call, local, command.family)


async def open_anywhere(cluster: Cluster, command: OpenPort) -> NgPort:
    """The first port of an owner; instances are tried until one opens it. Raises MediaError of the last one."""
    failed: frozenset[str] = frozenset()
    error: MediaError | None = None
    while True:
        try:
            instance = cluster.choose(failed)
        except MediaError:
            if error is not None:
                raise error from None
            raise
        try:
            return await open_beside(NgCall(command.owner, cluster.call_id(command.owner), instance), command)
        except MediaError as refused:
            if refused.code not in ELSEWHERE:
                raise
            error, failed = refused, failed | {instance.name}


async def open_again(cluster: Cluster, departed: Departed, known: NgCall | None, command: OpenPort) -> NgPort:
    """Where it was before we were started anew; elsewhere, when an instance that may have had it is not there."""
    try:
        return await find_again(cluster, known, command)
    except MediaError:
        away = [one for one in cluster.instances if not one.up]
        if not away and not _is_anew(known):
            raise
    for one in away:
        departed.note(one, cluster.call_id(command.owner))
    if known is None:
        return await open_anywhere(cluster, command)
    async with known.lock:
        return await open_beside(known, command)


def _is_anew(known: NgCall | None) -> bool:
    """Whether the call's other ports are elsewhere already: the instance that had them may be there again by now."""
    return known is not None and not any(port.was_linked for port in known.ports.values())


async def find_again(cluster: Cluster, known: NgCall | None, command: OpenPort) -> NgPort:
    """The port as it was before we were started anew: rtpengine has kept it, and its packets have gone on.

    Raises MediaError ``media.port_taken`` when no instance has it.
    """
    calls = [known] if known is not None else [
        NgCall(command.owner, cluster.call_id(command.owner), one) for one in cluster.instances if one.up
    ]  # fmt: skip
    for call in calls:
        with contextlib.suppress(MediaError):
            local = _kept(await call.instance.ask("query", call_id=call.id), command)
            if local is not None:
                port = NgPort(command.port, call, local, command.family)
                port.stale = port.was_linked = True
                port.blocked = None
                return port
    raise MediaError(f"no rtpengine has the port {command.rtp_port} for its call", "media.port_taken")


def _kept(answer: Answer, command: OpenPort) -> LocalAddress | None:
    streams = streams_of(answer, command.port)
    if not streams or streams[0].local_port != command.rtp_port or not streams[0].local_address:
        return None
    rtcp = streams[1].local_port if len(streams) > 1 and streams[1].local_port else command.rtp_port + 1
    return LocalAddress(command.family, streams[0].local_address, command.rtp_port, rtcp)
