"""The instances of rtpengine: each is pinged as the exchange would."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from trunkline.app.check.finding import Case, Finding, Findings
from trunkline.app.media_plane import cluster_plan
from trunkline.base.errors import RemoteProtocolError, TransportError
from trunkline.media.ng.courier import Answer, Transport
from trunkline.media.ng.instance import transport_to

_say = Findings("media")
_PATIENCE_S: Final = 3.0
_AGAIN_S: Final = 0.2


def media(case: Case) -> Iterator[Finding]:
    """Nothing when calls are relayed in the exchange itself."""
    settings = case.loaded.settings
    if settings.media.engine != "rtpengine":
        return
    names = [one.url for one in cluster_plan(settings).instances]
    yield from asyncio.run(_ask_all(names))


async def _ask_all(names: list[str]) -> list[Finding]:
    return list(await asyncio.gather(*(_ask(name) for name in names)))


async def _ask(name: str) -> Finding:
    mend = "start it; look at its listen-ng or listen-http, and at the firewall between"
    transport = transport_to(name)
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
