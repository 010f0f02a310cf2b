"""The load is measured, said to endpoint and sockets, and told to the log once for each overload."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest
from structlog.testing import capture_logs

from tests.link.virtual_time import virtual
from trunkline.app.load_watch import EACH_S, LoadWatch
from trunkline.net import Net
from trunkline.net.triage import Backlog
from trunkline.ua.overload import Load, Overload, OverloadPolicy

pytestmark = [pytest.mark.rule("T-11")]


class Sockets:
    """What the watch asks of the net; ``pace`` datagrams are served in each tenth of a second."""

    def __init__(self, pace: int = 100) -> None:
        self.loop = asyncio.get_running_loop()
        self.pace = pace
        self.waiting = 0
        self.dropped = 0
        self.triage = False

    @property
    def counters(self) -> SimpleNamespace:
        return SimpleNamespace(datagrams_in=round(self.loop.time() / EACH_S) * self.pace)

    def backlog(self) -> Backlog:
        return Backlog(self.waiting, self.dropped)


def watched(sockets: Sockets) -> tuple[LoadWatch, Overload]:
    overload = Overload()
    overload.policy = OverloadPolicy(enabled=True)
    watch = LoadWatch(sockets.loop, cast("Net", sockets), overload)
    watch.start()
    return watch, overload


@virtual
async def test_what_waits_longer_than_the_limit_is_an_overload_until_it_is_served() -> None:
    sockets = Sockets(pace=100)
    watch, overload = watched(sockets)
    with capture_logs() as lines:
        sockets.waiting = 400  # 0.4 s at this pace
        await asyncio.sleep(5)
        assert (overload.level, sockets.triage) == (Load.NORMAL, False)
        sockets.waiting = 600
        await asyncio.sleep(5)
        assert (overload.level, sockets.triage) == (Load.CALLS, True)
        overload.refuses("INVITE")
        sockets.waiting = 0
        await asyncio.sleep(5)
        assert (overload.level, sockets.triage) == (Load.NORMAL, False)
    watch.stop()
    assert [line["event"] for line in lines] == ["overloaded", "the overload is over"]
    assert lines[1]["refused"] == 1


@virtual
async def test_an_overload_is_not_over_because_a_slow_host_serves_few_though_punctually() -> None:
    sockets = Sockets(pace=100)
    watch, overload = watched(sockets)
    levels: list[Load] = []
    for sockets.waiting, sockets.pace in ((600, 100), (600, 10), (0, 10)):
        await asyncio.sleep(5)
        levels.append(overload.level)
    assert levels == [Load.CALLS, Load.ALL_NEW, Load.NORMAL]
    watch.stop()


@virtual
async def test_the_same_queue_is_nothing_to_an_exchange_that_is_fast() -> None:
    sockets = Sockets(pace=500)
    watch, overload = watched(sockets)
    sockets.waiting = 600
    await asyncio.sleep(5)
    assert overload.level is Load.NORMAL
    watch.stop()


@virtual
async def test_datagrams_that_are_dropped_again_and_again_are_an_overload() -> None:
    sockets = Sockets()
    watch, overload = watched(sockets)
    sockets.dropped += 1
    await asyncio.sleep(1)
    assert overload.ratio < 1, "one burst is over"
    for _ in range(5):
        sockets.dropped += 1
        await asyncio.sleep(EACH_S)
    assert overload.level is Load.CALLS
    watch.stop()
