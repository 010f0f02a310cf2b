"""When new calls are welcome, and why not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from trunkline.app.exchange import Exchange
from trunkline.app.readiness import readiness_of


def exchange(state: str = "running", *, pressed: bool = False, ports_free: int = 10) -> Exchange:
    made: Any = SimpleNamespace(
        state=state,
        writer=SimpleNamespace(pressed=pressed, queued=7),
        engine=SimpleNamespace(snapshot=lambda: SimpleNamespace(ports_free=ports_free)),
        calls=SimpleNamespace(active={"a": 1}),
    )
    return cast("Exchange", made)


def test_a_running_exchange_is_ready() -> None:
    now = readiness_of(exchange())
    assert (now.state, now.reasons, now.calls) == ("running", (), 1)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (exchange("starting", ports_free=0), "is starting"),
        (exchange("draining"), "takes no new calls"),
        (exchange("stopping"), "is stopping"),
        (exchange(pressed=True), "the store is behind: 7 rows"),
        (exchange(ports_free=0), "no media port is free"),
    ],
)
def test_each_reason_is_told(made: Exchange, reason: str) -> None:
    (told,) = readiness_of(made).reasons
    assert reason in told


def test_it_is_starting_until_commands_are_answered() -> None:
    now = readiness_of(exchange(), serving=False)
    assert (now.state, len(now.reasons)) == ("starting", 1)
