"""Whole calls over a network that loses, doubles and reorders on both sides of the exchange."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.memory_network import Weather
from tests.link.phones import Party
from tests.link.stage import Stage
from tests.link.virtual_time import virtual

ROUGH = Weather(loss=0.05, duplicate=0.05, late=0.1, late_by_s=0.3)
STORM = Weather(loss=0.2, duplicate=0.1, late=0.2, late_by_s=1.0)


async def caller_hangs_up(alice: Party, bob: Party) -> None:
    """After some talk, with a change of the session from each side."""
    await alice.until("answered")
    await talk(alice, bob)
    alice.dialogue.hang_up()


async def callee_hangs_up(alice: Party, bob: Party) -> None:
    await bob.until("acknowledged")
    await talk(bob, alice)
    bob.dialogue.hang_up()


async def caller_cancels(alice: Party, bob: Party) -> None:
    """In the moments around the answer, the worst there are."""
    await bob.until("invited")
    await asyncio.sleep(0.4 + alice.network.random.random() / 5)
    alice.dialogue.hang_up()


async def callee_refuses(alice: Party, bob: Party) -> None:
    bob.refuse_with = 486


async def talk(one: Party, other: Party) -> None:
    await asyncio.sleep(1)
    await one.reoffer(one.body)
    await asyncio.sleep(1)
    await other.reoffer(other.body)
    await asyncio.sleep(1)


STORIES = {
    "caller hangs up": caller_hangs_up,
    "callee hangs up": callee_hangs_up,
    "caller cancels": caller_cancels,
    "callee refuses": callee_refuses,
}


async def play(name: str, weather: Weather, seed: int) -> None:
    """One call; whatever happens, all three come to a defined end."""
    stage = Stage(weather, seed)
    alice, bob = stage.party(), stage.party(rings_s=0.5)
    story = asyncio.ensure_future(STORIES[name](alice, bob))
    stage.dial(alice, "1002")
    await asyncio.wait([story], timeout=300)
    # A storm may end the call before its story comes to the line that waits for something.
    if not story.cancel():
        story.result()
    await stage.settle(600)
    assert alice.dialogue.ended, alice.said
    assert bob.session is None or bob.session.ended, bob.said
    assert alice.said[-1].startswith(("ended", "failed"))
    if name == "callee refuses" and weather is ROUGH:
        assert alice.said[-1] == "failed 486"


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("seed", range(60))
@virtual
@pytest.mark.rule("T-10")
async def test_under_loss_every_call_ends_defined_on_all_sides(name: str, seed: int) -> None:
    await play(name, ROUGH, seed)


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("seed", range(30))
@virtual
async def test_in_a_storm_every_call_ends_defined_on_all_sides(name: str, seed: int) -> None:
    await play(name, STORM, seed)
