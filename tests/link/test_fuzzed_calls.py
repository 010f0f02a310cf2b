"""Calls whose every message also comes mutated: nothing breaks, and when all timers are over nothing is left."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from fuzz.mutate import mutant
from tests.link.memory_network import MemoryFlow
from tests.link.phones import describe
from tests.link.reliable import SUPPORTED
from tests.link.stage import HOST, Stage
from tests.link.talking import talking
from tests.link.test_pickup import replaces
from tests.link.transferring import refer, until_told
from tests.link.virtual_time import virtual
from trunkline.ua.sessions.session_timer import TimerPolicy
from trunkline.ua.sessions.update import send_update

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


async def _calls_that_change(stage: Stage) -> list[bytes]:
    """Reliable ringing, UPDATE, session timers, a takeover and a transfer; every message that the exchange got."""
    stage.endpoint.set_session_timers(TimerPolicy("always", 1800, 90))
    stage.endpoint.set_reliable_provisionals("supported")
    alice, bob, _carol = stage.party(), stage.party(), stage.party()
    for party in (alice, bob):
        party.endpoint.reliable_provisionals = "supported"
        party.endpoint.set_session_timers(TimerPolicy("always", 1800, 90))
    stage.dial(alice, "1002", extra=SUPPORTED)
    await alice.until("answered")
    await bob.until("acknowledged")
    send_update(alice.dialogue, describe(alice.host, version=2), lambda _status, _response: None)
    await asyncio.sleep(1)
    second = stage.party("1002")
    second.account = bob.account
    stage.dial(second, "1001", extra=replaces(bob) + "Require: replaces\r\n")
    await second.until("answered")
    await asyncio.sleep(1)
    await refer(alice, "1003", "Referred-By: <sip:1001@pbx.test>\r\n")
    await until_told(alice, "200 terminated")
    await asyncio.sleep(1)
    for call in list(stage.calls.active.values()):
        call.hang_up()
    await asyncio.sleep(1)
    return [data for _, _, target, data in stage.network.log if target == HOST]


async def _mutants(stage: Stage, seeds: list[bytes], dice: Random, hosts: tuple[str, ...]) -> None:
    """Mutants of these messages, from these hosts, while calls come in."""
    for number in range(MUTANTS):
        if number % 300 == 0:
            stage.dial(stage.parties[0], "1002")
        node = stage.network.nodes[dice.choice(hosts), 5060]
        flow = MemoryFlow(stage.network.nodes[HOST, 5060], node.address)
        stage.endpoint.receive(mutant(seeds, dice), flow)
        await asyncio.sleep(STEP_S)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.rule("T-17")
@pytest.mark.rule("T-37")
@virtual
async def test_mutants_of_calls_that_change_leave_nothing_behind(seed: int) -> None:
    dice = Random(seed)  # noqa: S311  (repeatable, no secret)
    stage = Stage(seed=seed)
    seeds = await _calls_that_change(stage)
    for word in (b"PRACK", b"UPDATE", b"REFER"):
        assert any(data.startswith(word) for data in seeds)
    hosts = tuple(party.host for party in stage.parties)
    await _mutants(stage, seeds, dice, hosts)
    for call in list(stage.calls.active.values()):
        call.hang_up()
    await stage.settle(700)


@pytest.mark.parametrize("seed", range(4))
@virtual
async def test_mutants_of_a_call_leave_nothing_behind(seed: int) -> None:
    dice = Random(seed)  # noqa: S311  (repeatable, no secret)
    stage = Stage(seed=seed)
    seeds = await _a_call(stage)
    assert len(seeds) > 8
    await _mutants(stage, seeds, dice, ("10.0.0.1", "10.0.0.2"))
    assert stage.calls.active
    for call in list(stage.calls.active.values()):
        call.hang_up()
    await stage.settle()
