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


def readiness_of(exchange: Exchange) -> Readiness:
    """As of now."""
    return Readiness(exchange.state, tuple(_reasons(exchange)), len(exchange.calls.active))


def _reasons(exchange: Exchange) -> Iterator[str]:
    state = exchange.state
    if state in _WHY_NOT:
        yield _WHY_NOT[state]
    if exchange.writer.pressed:
        yield f"the store is behind: {exchange.writer.queued} rows wait to be written"
    if state != "starting" and exchange.engine.snapshot().ports_free == 0:
        yield "no media port is free"
