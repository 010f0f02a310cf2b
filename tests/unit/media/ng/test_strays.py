"""Calls of a process before us at an instance that has more calls than it lists at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

import pytest

from tests.link.virtual_time import virtual
from trunkline.base.errors import TransportError
from trunkline.media.ng.bencode import MAX_OCTETS, Encodable, encode
from trunkline.media.ng.courier import Answer
from trunkline.media.ng.departed import Departed
from trunkline.media.ng.instance import Instance
from trunkline.media.ng.plan import ClusterPlan, InstancePlan
from trunkline.media.ng.strays import AGAIN_S, FEW, Strays
from trunkline.media.ng.udp import MAX_DATAGRAM

OURS = "trunkline-0123456789ab-"
ALIVE = [f"{OURS}01JD{number:022}" for number in range(3000)]
LEFT = [f"{OURS}LEFT{number:022}" for number in range(3)]


class Rtpengine:
    """A transport and the instance behind it: it lists calls as they are in ``calls``, and deletes them."""

    def __init__(self, calls: list[str], answer_octets: int = MAX_DATAGRAM) -> None:
        self.calls = calls
        self.answer_octets = answer_octets
        self.lists = 0

    async def start(self) -> None:
        """It is there."""

    async def stop(self) -> None:
        """It is gone."""

    async def ask(self, question: Mapping[str, Encodable], within_s: float) -> Answer:
        """What does not fit its way is not answered."""
        command = question["command"]
        if command == "delete":
            self.calls.remove(str(question["call-id"]))
        if command != "list":
            return {"result": b"pong" if command == "ping" else b"ok"}
        self.lists += 1
        limit = question["limit"]
        assert isinstance(limit, int)
        names = [one.encode() for one in self.calls[:limit]]
        if len(encode({"calls": names, "result": "ok"})) + 20 > self.answer_octets:
            await asyncio.sleep(within_s)
            raise TransportError("it did not answer")
        return {"result": b"ok", "calls": [*names]}


class Hunt:
    """Strays at one instance, of which ``alive`` live."""

    def __init__(self, rtpengine: Rtpengine) -> None:
        self.rtpengine = rtpengine
        self.alive = set(ALIVE)
        self.tasks: set[asyncio.Task[None]] = set()
        plan = InstancePlan("udp:192.0.2.1:2223")
        self.instance = Instance(
            plan, ClusterPlan((plan,), ping_s=1e6), lambda _instance: None, transport=rtpengine
        )
        self.strays = Strays(Departed(self._spawn), self._spawn, OURS)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def begin(self) -> None:
        await self.instance.start()
        await self.strays.find(self.instance, lambda: self.alive)

    async def end(self) -> None:
        await self.instance.stop()
        for task in self.tasks:
            task.cancel()

    @property
    def left(self) -> list[str]:
        return [one for one in self.rtpengine.calls if one not in self.alive]


@virtual
async def test_as_many_as_an_answer_holds_are_looked_at() -> None:
    hunt = Hunt(Rtpengine([*ALIVE[:1150], *LEFT]))
    await hunt.begin()
    assert hunt.left == []
    assert hunt.instance.up
    await hunt.end()


@virtual
async def test_by_a_websocket_no_number_of_calls_hides_them() -> None:
    hunt = Hunt(Rtpengine([*ALIVE, *LEFT], answer_octets=MAX_OCTETS))
    await hunt.begin()
    assert hunt.left == []
    assert not hunt.strays.waits_for(hunt.instance)
    await hunt.end()


@virtual
async def test_those_that_others_hide_are_found_once_calls_have_ended() -> None:
    hunt = Hunt(Rtpengine([*ALIVE, *LEFT]))
    await hunt.begin()
    assert hunt.left == LEFT
    del hunt.rtpengine.calls[:2500]
    await asyncio.sleep(AGAIN_S + 1)
    assert hunt.left == []
    assert not hunt.strays.waits_for(hunt.instance)
    await hunt.end()


@virtual
async def test_after_an_hour_nobody_looks_any_more() -> None:
    hunt = Hunt(Rtpengine(list(ALIVE)))
    await hunt.begin()
    await asyncio.sleep(2 * 3600)
    assert not hunt.tasks
    assert not hunt.strays.waits_for(hunt.instance)
    assert hunt.rtpengine.lists == 2 * 120
    await hunt.end()


@virtual
@pytest.mark.parametrize("octets", [120, 250])
async def test_names_of_others_that_are_too_long_for_an_answer_do_not_take_an_instance_for_down(
    octets: int,
) -> None:
    theirs = [f"{'x' * octets}{number:05}" for number in range(3000)]
    hunt = Hunt(Rtpengine([*ALIVE[:FEW], *theirs, *LEFT]))
    await hunt.begin()
    assert hunt.instance.up
    assert hunt.instance.failures == 0
    del hunt.rtpengine.calls[FEW:-50]
    await asyncio.sleep(5 * AGAIN_S)
    assert hunt.left == [*theirs[-47:]]
    await hunt.end()
