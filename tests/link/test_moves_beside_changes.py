"""Calls that move to another media engine while, or after, their parties change: transfers, ends, silence."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.phones import describe
from tests.link.stage import Stage
from tests.link.talking import both_sides, talking, who
from tests.link.test_moved_calls import last, lose
from tests.link.transferring import refer, three
from tests.link.virtual_time import virtual
from trunkline.app.media_story import MediaStory
from trunkline.call import moving
from trunkline.call.call import Call
from trunkline.call.moving import Moves
from trunkline.media.events import EngineLost


def watch(stage: Stage) -> Moves:
    """Move the calls of a stage that is there already."""
    moves = Moves(stage.calls, 10.0)
    stage.engine.subscribe(MediaStory(stage.calls, 120.0))
    stage.engine.subscribe(moves)
    return moves


def lose_talking(stage: Stage) -> None:
    """The engine of the only call dies."""
    (call,) = stage.calls.active.values()
    assert call.bridge is not None
    port = call.bridge.a.media.ports[0] or ""
    stage.engine.tell(EngineLost(call.id, port, "udp:192.0.2.10:2223", "it does not answer"))


@both_sides
@virtual
async def test_after_a_transfer_those_who_talk_now_are_told(side: str) -> None:
    stage, alice, bob, carol = await three()
    watch(stage)
    one, other = (alice, bob) if side == "caller" else (bob, alice)
    await refer(one, "1003")
    await carol.until("acknowledged")
    await one.until("ended bye")
    await asyncio.sleep(1)
    before = [last(party) for party in (other, carol)]
    lose_talking(stage)
    await asyncio.sleep(10)
    after = [last(party) for party in (other, carol)]
    assert all(now != then for now, then in zip(after, before, strict=True))
    assert all(b"198.51.100." in body for body in after)
    other.dialogue.hang_up()
    await carol.until("ended bye")
    await stage.settle()


@virtual
async def test_after_a_transfer_by_the_caller_a_party_that_refuses_ends_the_call() -> None:
    stage, alice, bob, carol = await three()
    watch(stage)
    await refer(alice, "1003")
    await carol.until("acknowledged")
    await alice.until("ended bye")
    await asyncio.sleep(1)
    carol.offer_answer = 488
    lose_talking(stage)
    await bob.until("ended bye")
    await carol.until("ended bye")
    await stage.settle()
    assert "media.move_refused" in stage.story


@both_sides
@virtual
async def test_who_hangs_up_while_it_is_told_leaves_nothing_behind(side: str) -> None:
    stage = Stage()
    moves = watch(stage)
    await talking(stage)
    one, other = who(stage, side)
    one.offer_answer = None
    lose(stage, stage.calls.all[-1])
    await one.until("offered")
    other.dialogue.hang_up()
    await one.until("ended bye")
    await stage.settle()
    assert moves.pending == 0
    assert stage.story[-1] == "call.ended"


@pytest.mark.rfc("3261", "14.1")
@virtual
async def test_a_phone_that_never_answers_ends_the_call_in_time() -> None:
    stage = Stage()
    moves = watch(stage)
    alice, bob = await talking(stage)
    bob.offer_answer = None
    lose(stage, stage.calls.all[-1])
    await bob.until("offered")
    await asyncio.wait_for(alice.until("ended bye"), 300)
    await stage.settle()
    assert moves.pending == 0


@virtual
async def test_a_transfer_that_is_asked_for_while_it_is_told_is_not_lost() -> None:
    stage, alice, bob, carol = await three()
    moves = watch(stage)
    alice.offer_answer = None
    lose_talking(stage)
    await alice.until("offered")
    await refer(bob, "1003")
    await asyncio.sleep(2)
    alice.offer_answer = describe(alice.host, version=3)
    alice.dialogue.reoffer.answer(describe(alice.host, version=2))
    await carol.until("acknowledged")
    await asyncio.sleep(10)
    assert all(b"198.51.100." in last(party) for party in (alice, carol))
    assert moves.pending == 0
    alice.dialogue.hang_up()
    await carol.until("ended bye")
    await stage.settle()


@virtual
async def test_thousands_that_wait_are_not_sorted_for_each_that_moves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ranked = 0

    def counted(call: Call) -> tuple[int, float, str]:
        nonlocal ranked
        ranked += 1
        return rank(call)

    rank = moving._rank
    monkeypatch.setattr(moving, "_rank", counted)
    stage = Stage()
    moves = watch(stage)
    for number in range(2, 42, 2):
        await stage.connect(stage.party(), stage.party(), f"{1000 + number}")
    lose(stage, *stage.calls.all)
    await asyncio.sleep(5)
    assert (stage.engine.moves, moves.pending) == (20, 0)
    assert ranked == 20 + 10, "once for each second"
    for alice in stage.parties[::2]:
        alice.dialogue.hang_up()
    await stage.settle()
