"""What lamps show of a call that is handed on, and of whose dialogs (RFC 4235)."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.stage import DOMAIN
from tests.link.talking import both_sides
from tests.link.test_lamps import lamps
from tests.link.transferring import refer
from tests.link.virtual_time import virtual
from tests.link.watching import EventStage


@both_sides
@pytest.mark.rule("T-36")
@pytest.mark.rule("T-38")
@virtual
async def test_a_transfer_moves_the_light_and_shows_each_watcher_its_own_dialogs_alone(side: str) -> None:
    stage = EventStage()
    alice, bob, carol = (stage.party() for _ in range(3))
    number, left = ("1001", "1002") if side == "caller" else ("1002", "1001")
    gone, new = stage.watcher(number), stage.watcher("1003")
    for watcher in (gone, new):
        await watcher.subscribe()
    await stage.connect(alice, bob)
    await asyncio.sleep(5)
    one, other = (alice, bob) if side == "caller" else (bob, alice)
    await refer(one, "1003")
    await carol.until("acknowledged")
    await one.until("ended bye")
    await asyncio.sleep(5)
    assert any("confirmed" in one.states for one in lamps(gone))
    assert lamps(gone)[-1].states in ([], ["terminated"])
    assert lamps(new)[-1].states == ["confirmed"]
    assert lamps(new)[-1].remotes == [(f"Number {left}", f"sip:{left}@{DOMAIN}")]
    dialogs = {party: party.dialogue.dialog for party in (alice, bob, carol)}
    for watcher, shown in ((gone, one), (new, carol)):
        text = "".join(watcher.bodies)
        for party, dialog in dialogs.items():
            assert dialog is not None
            assert (dialog.call_id in text) is (party is shown)
            assert (f'"{dialog.local_tag}"' in text) is (party is shown)
            assert party.host not in text.replace("10.0.0.100", "")
    other.dialogue.hang_up()
    await carol.until("ended bye")
    for watcher in (gone, new):
        await watcher.subscribe(0)
    await stage.settle()


@both_sides
@pytest.mark.rule("T-38")
@pytest.mark.rfc("4235", "4.1.6")
@virtual
async def test_a_lamp_of_who_stays_shows_whom_it_was_handed_on_to(side: str) -> None:
    stage = EventStage()
    alice, bob, carol = (stage.party() for _ in range(3))
    watcher = stage.watcher("1002" if side == "caller" else "1001")
    await watcher.subscribe()
    await stage.connect(alice, bob)
    await asyncio.sleep(5)
    one, other = (alice, bob) if side == "caller" else (bob, alice)
    await refer(one, "1003")
    await carol.until("acknowledged")
    await one.until("ended bye")
    await asyncio.sleep(5)
    assert lamps(watcher)[-1].states == ["confirmed"]
    assert lamps(watcher)[-1].remotes == [("Number 1003", f"sip:1003@{DOMAIN}")]
    other.dialogue.hang_up()
    await carol.until("ended bye")
    await watcher.subscribe(0)
    await stage.settle()
