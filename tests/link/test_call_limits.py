"""How many calls an extension may have at once: counted from the first INVITE to the end, made and received."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.link.stage import DOMAIN, PASSWORD, Stage
from tests.link.virtual_time import virtual
from trunkline.model.extension import Extension
from trunkline.model.tenant import Tenant
from trunkline.pbx.directory import Directory
from trunkline.pbx.route import CallRequest, Snapshot, decide


def limit(stage: Stage, number: str, most: int | None) -> None:
    stage.directory.put(replace(Extension("t1", number, number, number, PASSWORD), max_calls=most))


@virtual
async def test_a_callee_with_its_calls_is_busy_and_free_again_when_one_ends() -> None:
    stage = Stage()
    alice, bob, carol = stage.party(), stage.party(), stage.party()
    limit(stage, "1002", 1)
    await stage.connect(alice, bob)
    stage.dial(carol, "1002")
    await carol.until("failed 486")
    assert stage.story[-2:] == ["limit.callee", "call.failed"]
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    carol.said.clear()
    await stage.connect(carol, bob)
    carol.dialogue.hang_up()
    await stage.settle()
    assert stage.calls.load("t1", "1002") == 0
    assert not stage.calls._load


@virtual
async def test_a_caller_with_its_calls_may_make_no_other_but_others_may() -> None:
    stage = Stage()
    stage.calls_per_extension = 1
    alice, bob, carol, dave = stage.party(), stage.party(), stage.party(), stage.party()
    await stage.connect(alice, bob)
    stage.dial(bob, "1003")
    await bob.until("failed 403")
    assert "limit.caller" in stage.story
    await stage.connect(carol, dave, "1004")
    carol.dialogue.hang_up()
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_two_calls_that_come_together_do_not_both_get_the_last_place() -> None:
    stage = Stage()
    alice, bob, carol = stage.party(), stage.party(answers=False), stage.party()
    limit(stage, "1002", 1)
    stage.dial(alice, "1002")
    stage.dial(carol, "1002")
    await asyncio.sleep(5)
    assert bob.said.count("invited") == 1
    assert sorted(said for party in (alice, carol) for said in party.said) == ["180", "failed 486"]
    for party in (alice, carol):
        if not party.dialogue.ended:
            party.dialogue.hang_up()
    await stage.settle()
    assert not stage.calls._load


@pytest.mark.parametrize(
    ("own", "general", "calls", "code"),
    [
        (None, 0, 1000, "route.contacts"),
        (None, 2, 1, "route.contacts"),
        (None, 2, 2, "limit.callee"),
        (5, 2, 4, "route.contacts"),
        (5, 2, 5, "limit.callee"),
        (0, 2, 1000, "route.contacts"),
    ],
)
def test_its_own_limit_wins_over_that_of_the_settings(
    own: int | None, general: int, calls: int, code: str
) -> None:
    directory = Directory([Tenant("t", "t", (DOMAIN,))], DOMAIN)
    directory.put(Extension("t", "e", "1002", max_calls=own))
    snapshot = Snapshot(directory, lambda _t, _n: 1, lambda _t, _n: calls, lambda: general)
    assert decide(CallRequest("t", "1001", "1002"), snapshot).steps[-1].code == code
