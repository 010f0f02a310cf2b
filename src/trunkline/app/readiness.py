"""Whether new calls are welcome: what ``/ready`` tells a load balancer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from trunkline.app.metrics_server import Readiness

if TYPE_CHECKING:
    from trunkline.app.exchange import Exchange

_WHY_NOT = {
    "starting": "the exchange is starting",
    "draining": "the exchange is draining: it takes no new calls",
    "stopping": "the exchange is stopping",
}


def readiness_of(exchange: Exchange, *, serving: bool = True) -> Readiness:
    """As of now; ``serving`` is whether commands are answered, the last thing of a start."""
    state = exchange.state if serving or exchange.state != "running" else "starting"
    return Readiness(state, tuple(_reasons(exchange, state)), len(exchange.calls.active))


def _reasons(exchange: Exchange, state: str) -> Iterator[str]:
    if state in _WHY_NOT:
        yield _WHY_NOT[state]
    if exchange.writer.pressed:
        yield f"the store is behind: {exchange.writer.queued} rows wait to be written"
    if state != "starting" and exchange.engine.snapshot().ports_free == 0:
        yield "no media port is free"
