"""Callers who stay unknown, through what becomes of their calls later: transfers, lamps, presence."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.stage import HOST
from tests.link.test_attended_transfers import TwoCalls
from tests.link.transferring import consultation, refer, until_told
from tests.link.virtual_time import virtual
from tests.link.watching import EventStage, Watcher

UNKNOWN = "Privacy: id\r\n"


@pytest.mark.rule("T-34")
@pytest.mark.rule("T-38")
@pytest.mark.rfc("3323", "4.2")
@virtual
async def test_a_callee_does_not_learn_by_a_lamp_which_phone_it_is_that_calls_it() -> None:
    stage = EventStage()
    alice, bob = stage.party(), stage.party()
    lamp, own = Watcher(stage, bob, "1001"), Watcher(stage, alice, "1001")
    for watcher in (lamp, own):
        await watcher.subscribe()
    stage.dial(alice, "1002", extra=UNKNOWN)
    await alice.until("answered")
    await asyncio.sleep(5)
    assert "<state>confirmed</state>" in lamp.bodies[-1]
    assert "sip:1002@" not in "".join(lamp.bodies)
    assert "sip:1002@" in own.bodies[-1]
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    await stage.settle()


@pytest.mark.rule("T-34")
@pytest.mark.rule("T-38")
@pytest.mark.rfc("3323", "4.2")
@pytest.mark.parametrize("second", ["made", "received"])
@pytest.mark.parametrize("asked_in", ["first", "second"])
@virtual
async def test_who_stays_unknown_stays_so_when_two_calls_are_joined(second: str, asked_in: str) -> None:
    stage = EventStage()
    calls = TwoCalls(stage)
    one, two, middle = calls.one, calls.two, calls.middle
    watcher = stage.watcher("1003")
    await watcher.subscribe()
    stage.dial(one, "1002", extra=UNKNOWN)
    await middle.until("acknowledged")
    await one.until("answered")
    calls.first = middle.dialogue
    for party in (one, middle):
        party.said.clear()
    await calls._call(two, "1003", second)
    calls.second = middle.dialogue
    calls.middle.session = calls.second if asked_in == "first" else calls.first
    to = consultation(middle, "1003" if asked_in == "first" else "1001")
    middle.session = calls.first if asked_in == "first" else calls.second
    assert (await refer(middle, to)).status == 200
    await until_told(middle, "200 terminated")
    await asyncio.sleep(5)
    await watcher.subscribe()
    await asyncio.sleep(5)
    assert not [
        data for data in stage.sent(HOST, "", two.host) if b"Number 1001" in data or b"sip:1001@" in data
    ]
    assert not [body for body in watcher.bodies if "sip:1001@" in body or "Number 1001" in body]
    one.dialogue.hang_up()
    await two.until("ended bye")
    await watcher.subscribe(0)
    await stage.settle()
