"""Where a port is opened: at the instance that has its owner's others, at the least busy one, or where it was."""

from __future__ import annotations

import contextlib
from typing import Final

from trunkline.base.errors import MediaError
from trunkline.media.commands import Family, OpenPort
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


async def open_anywhere(
    cluster: Cluster, departed: Departed, command: OpenPort, failed: frozenset[str] = frozenset()
) -> NgPort:
    """The first port of an owner; instances but the ``failed`` are tried until one opens it.

    One that does not answer may have opened it, and is to delete it later. Raises MediaError of the last one.
    """
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
            if refused.code == "media.engine_silent":
                departed.note(instance, cluster.call_id(command.owner))
            error, failed = refused, failed | {instance.name}


async def open_again(cluster: Cluster, departed: Departed, known: NgCall | None, command: OpenPort) -> NgPort:
    """Where it was before we were started anew; on other sockets when no instance that answers has it.

    An instance that was started anew itself has forgotten its calls; one that is not there may have it still, and is
    to delete it later. Raises MediaError when no instance opens it.
    """
    call_id = cluster.call_id(command.owner)
    calls = [known] if known is not None else [
        NgCall(command.owner, call_id, one) for one in cluster.instances if one.up
    ]  # fmt: skip
    for call in calls:
        with contextlib.suppress(MediaError):
            found = await _find_again(call, command)
            known = known or call
            if found is not None:
                return found
    if known is not None:
        async with known.lock:
            return await open_beside(known, command)
    for one in cluster.instances:
        if not one.up:
            departed.note(one, call_id)
    left = frozenset(one.name for one in cluster.instances if departed.has(one, call_id))
    return await open_anywhere(cluster, departed, command, left)


async def _find_again(call: NgCall, command: OpenPort) -> NgPort | None:
    """The port as it was before we were started anew: rtpengine has kept it, and its packets have gone on.

    Raises MediaError when the instance does not know the call.
    """
    answer = await call.instance.ask("query", call_id=call.id)
    local = kept_place(answer, command.port, command.family, command.rtp_port)
    if local is None:
        return None
    port = NgPort(command.port, call, local, command.family)
    port.stale = port.was_linked = True
    port.blocked = None
    return port


def kept_place(answer: Answer, port: str, family: Family, rtp_port: int) -> LocalAddress | None:
    """Where a port is by the answer to a ``query``; None when it is not at ``rtp_port``, or not at all."""
    streams = streams_of(answer, port)
    if not streams or streams[0].local_port != rtp_port or not streams[0].local_address:
        return None
    rtcp = streams[1].local_port if len(streams) > 1 and streams[1].local_port else rtp_port + 1
    return LocalAddress(family, streams[0].local_address, rtp_port, rtcp)
