"""Keys that others can read, the path in the kernel, and the instances of rtpengine, which are pinged."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from trunkline.app.check.finding import Case, Finding, Findings
from trunkline.app.media_plane import cluster_plan
from trunkline.app.settings import Settings
from trunkline.base.errors import MediaError, RemoteProtocolError, TransportError
from trunkline.media.embedded import KERNEL_PROGRAM
from trunkline.media.ng.courier import Answer, Transport
from trunkline.media.ng.instance import transport_to
from trunkline.media.ng.plan import ClusterPlan

_say = Findings("media")
_PATIENCE_S: Final = 3.0
_AGAIN_S: Final = 0.2


def media(case: Case) -> Iterator[Finding]:
    """Keys and the kernel for calls that are relayed here, rtpengine for the others."""
    settings = case.loaded.settings
    yield from keys(settings)
    if settings.relays:
        yield from kernel_path(settings, case.running.kernel if case.running is not None else "")
    if settings.media.engine == "rtpengine":
        yield from asyncio.run(_ask_all(cluster_plan(settings)))


def keys(settings: Settings) -> Iterator[Finding]:
    """SRTP whose keys everybody on the way can read (RFC 4568 §7), and browsers that will not come."""
    open_to_all = sorted({one.transport for one in settings.sip.listen} - {"tls", "wss"})
    if settings.media.encryption == "required" and open_to_all:
        yield _say.warn(
            f"media.encryption is required, and keys of phones on {', '.join(open_to_all)} can be read on the way",
            "let phones register by TLS, and take the others out of sip.listen",
        )
    for one in settings.trunks:
        if one.encryption != "off" and one.transport in {"udp", "tcp"}:
            yield _say.warn(
                f"trunk {one.name}: its media is encrypted, and the keys can be read on the way by {one.transport}",
                'transport = "tls", where the other side has it',
            )
    if settings.media.browsers == "plain" and any(
        one.transport in {"ws", "wss"} for one in settings.sip.listen
    ):
        yield _say.warn(
            'media.browsers is "plain", and browsers take no call without DTLS',
            'media.browsers = "dtls", unless only other programs come by WebSocket',
        )


def kernel_path(settings: Settings, state: str, program: Path = KERNEL_PROGRAM) -> Iterator[Finding]:
    """``state`` is what a running exchange says of it; before the first start only what it needs is looked at."""
    if settings.media.kernel == "off":
        return
    mend = 'see "Privileges for the kernel path" in docs/topics/media-engine.md, or set media.kernel = "off"'
    if state.startswith("on"):
        yield _say.ok(f"calls that need nothing else pass in the kernel: {state}")
    elif state:
        yield _say.warn(f"no call passes in the kernel: {state}; all are relayed, at a higher cost", mend)
    elif not program.exists():
        yield _say.warn(
            "no call will pass in the kernel: its program was not compiled at setup",
            'apt-get install clang libbpf-dev and scripts/setup, or set media.kernel = "off"',
        )
    here = {name for _, name in socket.if_nameindex()}
    for name in settings.media.kernel_interfaces:
        if name not in here:
            known = ", ".join(sorted(here))
            yield _say.warn(
                f"media.kernel_interfaces: there is no {name}", f"the interfaces here are {known}"
            )


async def _ask_all(plan: ClusterPlan) -> list[Finding]:
    return list(await asyncio.gather(*(_ask(one.url, plan.ca) for one in plan.instances)))


async def _ask(name: str, ca: str) -> Finding:
    mend = "start it; look at its listen-ng or listen-http, and at the firewall between"
    try:
        transport = transport_to(name, ca)
    except MediaError as error:
        return _say.fail(str(error), "a PEM file with the certificate of whoever signed the instance's")
    await transport.start()
    try:
        answer = await _ping(transport)
    except (TransportError, RemoteProtocolError) as error:
        return _say.fail(str(error), mend)
    finally:
        await transport.stop()
    if answer.get("result") != b"pong":
        return _say.fail(f"{name} answers, but not to a ping", "see whether it is an rtpengine")
    return _say.ok(f"{name} answers")


async def _ping(transport: Transport) -> Answer:
    """A WebSocket needs a moment to be open."""
    end = asyncio.get_running_loop().time() + _PATIENCE_S
    while True:
        left = end - asyncio.get_running_loop().time()
        try:
            return await transport.ask({"command": "ping"}, max(0.1, left))
        except TransportError:
            if left <= _AGAIN_S:
                raise
        await asyncio.sleep(_AGAIN_S)
