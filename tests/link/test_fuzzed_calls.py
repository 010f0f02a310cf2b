"""Calls whose every message also comes mutated: nothing breaks, and when all timers are over nothing is left."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from fuzz.mutate import mutant
from tests.link.memory_network import MemoryFlow
from tests.link.phones import describe
from tests.link.stage import HOST, Stage
from tests.link.talking import talking
from tests.link.virtual_time import virtual

MUTANTS = 1500
STEP_S = 0.02


async def _a_call(stage: Stage) -> list[bytes]:
    """Two parties talk, one holds, one hangs up; every message that the exchange got."""
    await talking(stage)
    caller, callee = stage.parties
    callee.offer_answer = describe(callee.host, "a=recvonly", version=2)
    await caller.reoffer(describe(caller.host, "a=sendonly", version=2))
    callee.dialogue.hang_up()
    await asyncio.sleep(1)
    return [data for _, _, target, data in stage.network.log if target == HOST]


@pytest.mark.parametrize("seed", range(4))
@virtual
async def test_mutants_of_a_call_leave_nothing_behind(seed: int) -> None:
    dice = Random(seed)  # noqa: S311  (repeatable, no secret)
    stage = Stage(seed=seed)
    seeds = await _a_call(stage)
    assert len(seeds) > 8
    for number in range(MUTANTS):
        if number % 300 == 0:
            stage.dial(stage.parties[0], "1002")
        node = stage.network.nodes[dice.choice(("10.0.0.1", "10.0.0.2")), 5060]
        flow = MemoryFlow(stage.network.nodes[HOST, 5060], node.address)
        stage.endpoint.receive(mutant(seeds, dice), flow)
        await asyncio.sleep(STEP_S)
    assert stage.calls.active
    for call in list(stage.calls.active.values()):
        call.hang_up()
    await stage.settle()
