"""Changes within a call that collide, are refused, or come to nothing."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.phones import Party, describe
from tests.link.stage import HOST, Stage
from tests.link.talking import both_sides, talking, who
from tests.link.virtual_time import virtual


@both_sides
@pytest.mark.rfc("3261", "14.1")
@virtual
async def test_a_refused_change_leaves_the_call_as_it_was(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    remotes, links = dict(stage.engine.remotes), dict(stage.engine.links)
    other.offer_answer = 488
    assert (await one.reoffer(describe(one.host, "a=sendonly", version=2)))[0] == 488
    assert (stage.engine.remotes, stage.engine.links) == (remotes, links)
    assert not stage.is_held()
    other.offer_answer = other.body
    assert (await one.reoffer(one.body))[0] == 200
    other.dialogue.hang_up()
    await stage.settle()
    assert stage.outcome("in")[0][:2] == (200, "call.hangup")


@pytest.mark.rule("T-08")
@pytest.mark.rfc("3261", "14.2")
@virtual
async def test_changes_from_both_sides_at_once_are_both_refused_and_the_call_lives() -> None:
    stage = Stage()
    alice, bob = await talking(stage)
    outcomes = await asyncio.gather(alice.reoffer(alice.body), bob.reoffer(bob.body))
    assert [status for status, _ in outcomes] == [491, 491]
    assert (await alice.reoffer(alice.body))[0] == 200
    assert (await bob.reoffer(bob.body))[0] == 200
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-08")
@virtual
async def test_changes_that_cross_on_the_way_are_refused_and_the_call_lives() -> None:
    stage = Stage()
    alice, bob = await talking(stage)
    first = asyncio.ensure_future(alice.reoffer(alice.body))
    await asyncio.sleep(0.015)
    outcomes = [await bob.reoffer(bob.body), await first]
    assert [status for status, _ in outcomes] == [491, 491]
    assert (await alice.reoffer(alice.body))[0] == 200
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-08")
@pytest.mark.rfc("3261", "14.2")
@virtual
async def test_a_change_while_one_of_the_same_party_is_unanswered_is_to_be_tried_later() -> None:
    stage = Stage()
    alice, bob = await talking(stage)
    bob.offer_answer = None
    first = asyncio.ensure_future(alice.reoffer(alice.body))
    await bob.until("offered")
    alice.dialogue.reoffer.outgoing = None  # a phone that forgets what it has asked for
    assert (await alice.reoffer(alice.body))[0] == 500
    refusal = stage.sent(HOST, "SIP/2.0 500", alice.host)[0]
    assert b"\r\nRetry-After: " in refusal
    bob.dialogue.reoffer.answer(bob.body)
    assert (await first)[0] == 200
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("3261", "14.2")
@virtual
async def test_a_change_may_be_cancelled() -> None:
    stage = Stage()
    alice, bob = await talking(stage)
    bob.offer_answer = None
    first = asyncio.ensure_future(alice.reoffer(alice.body))
    await bob.until("offered")
    alice.dialogue.reoffer.withdraw()
    assert (await first)[0] == 487
    await bob.until("offer withdrawn")
    bob.offer_answer = bob.body
    assert (await alice.reoffer(alice.body))[0] == 200
    alice.dialogue.hang_up()
    await stage.settle()


@both_sides
@pytest.mark.rfc("3261", "12.2.1.2")
@virtual
async def test_a_party_that_does_not_know_the_call_any_more_ends_it(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    other.offer_answer = 481
    status, _ = await one.reoffer(one.body)
    assert status in {481, 487, 488}
    await one.until("ended bye")
    await stage.settle()
    assert {row[1] for row in stage.outcome("in") + stage.outcome("out")} == {"call.lost"}


@both_sides
@pytest.mark.rfc("3261", "14.2")
@virtual
async def test_a_changed_call_whose_ack_never_comes_is_ended(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    stage.network.drop = lambda data, src, _dst: data.startswith(b"ACK") and src[0] == one.host
    assert (await one.reoffer(one.body))[0] == 200
    await other.until("ended bye")
    stage.network.drop = lambda _data, _src, _dst: False
    await stage.settle()
    assert {row[1] for row in stage.outcome("in")} == {"call.lost"}


@both_sides
@virtual
async def test_a_hang_up_during_a_change_ends_both(side: str) -> None:
    stage = Stage(media_delay_s=0.05)
    await talking(stage)
    one, other = who(stage, side)
    other.offer_answer = None
    change = asyncio.ensure_future(one.reoffer(describe(one.host, version=2, count=2)))
    await other.until("offered")
    other.dialogue.hang_up()
    assert (await change)[0] in {481, 487}
    await one.until("ended bye")
    await stage.settle()


@both_sides
@virtual
async def test_a_change_that_arrives_after_the_hang_up_opens_no_port(side: str) -> None:
    stage = Stage(media_delay_s=0.05)
    await talking(stage)
    one, other = who(stage, side)
    change = asyncio.ensure_future(one.reoffer(describe(one.host, version=2, count=4)))
    await asyncio.sleep(0.005)
    other.dialogue.hang_up()
    await one.until("ended bye")
    await change
    await stage.settle()


@both_sides
@pytest.mark.rfc("3264", "6")
@virtual
async def test_an_answer_that_does_not_fit_the_change_ends_the_call(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    other.offer_answer = describe(other.host, version=2, count=2)
    await one.reoffer(describe(one.host, version=2))
    await one.until("ended bye")
    await other.until("ended bye")
    await stage.settle()
    assert stage.outcome("in") == [(200, "call.bad_answer", "exchange")]


@both_sides
@virtual
async def test_a_change_that_cannot_be_read_is_refused_and_goes_no_further(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    assert (await one.reoffer(b"v=1 nonsense"))[0] == 400
    assert "offered" not in other.said
    one.dialogue.hang_up()
    await stage.settle()


@both_sides
@virtual
async def test_a_change_by_something_else_than_sdp_is_refused(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    stage.network.mangle = lambda data: (
        data.replace(b"application/sdp", b"application/isup") if data.startswith(b"INVITE") else data
    )
    assert (await one.reoffer(one.body))[0] == 415
    assert "offered" not in other.said
    one.dialogue.hang_up()
    await stage.settle()


@both_sides
@virtual
async def test_a_change_for_which_no_port_is_left_is_refused_and_the_call_lives(side: str) -> None:
    stage = Stage(ports=3)
    await talking(stage)
    one, other = who(stage, side)
    assert (await one.reoffer(describe(one.host, version=2, count=2)))[0] == 503
    assert "offered" not in other.said
    other.offer_answer = other.body
    assert (await one.reoffer(one.body))[0] == 200
    one.dialogue.hang_up()
    await stage.settle()


@both_sides
@virtual
async def test_a_change_that_nobody_ever_answers_is_given_up(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    other.offer_answer = None
    begun = stage.loop.time()
    assert (await one.reoffer(one.body))[0] == 487
    assert 60.0 <= stage.loop.time() - begun < 60.5
    other.offer_answer = other.body
    await asyncio.sleep(1)
    assert (await one.reoffer(one.body))[0] == 200
    one.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_change_before_both_are_joined_is_to_be_tried_again() -> None:
    stage = Stage(media_delay_s=1.0)
    alice, bob = stage.party(), stage.party()
    stage.dial(alice, "1002")
    await bob.until("acknowledged")
    assert (await bob.reoffer(bob.body))[0] == 491
    await alice.until("answered")
    bob.offer_answer = bob.body
    assert (await bob.reoffer(bob.body))[0] == 200
    alice.dialogue.hang_up()
    await stage.settle()


@both_sides
@virtual
async def test_a_withdrawn_change_that_is_made_nevertheless_changes_nothing_here(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    other.offer_answer = None
    remotes = dict(stage.engine.remotes)
    for offer in (describe("203.0.113.7", version=2), b""):
        change = asyncio.ensure_future(one.reoffer(offer))
        before = other.said.count("offered")
        while other.said.count("offered") == before:
            other.changed.clear()
            await other.changed.wait()
        one.dialogue.reoffer.withdraw()
        await asyncio.sleep(0.012)  # the CANCEL is at the exchange, and crosses the 2xx
        other.dialogue.reoffer.answer(other.body)
        assert (await change)[0] == 487
        await asyncio.sleep(1)
        assert stage.engine.remotes == remotes
    one.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-08")
@pytest.mark.rfc("3261", "14.1")
@pytest.mark.parametrize("seed", range(5))
@virtual
async def test_two_changes_that_meet_both_get_through_once_each_has_waited_by_its_rule(seed: int) -> None:
    stage = Stage(seed=seed)
    alice, bob = await talking(stage)

    async def insist(party: Party, body: bytes) -> int:
        """As a phone does: 491 is tried again after the wait of its role."""
        for tries in range(1, 10):
            status, _ = await party.reoffer(body)
            if status != 491:
                assert status == 200
                return tries
            await asyncio.sleep(party.dialogue.reoffer.glare_pause_s())
        raise AssertionError("491 again and again")

    tries = await asyncio.gather(
        insist(alice, describe(alice.host, "a=sendonly", version=2)),
        insist(bob, describe(bob.host, "a=sendonly", version=2)),
    )
    assert tuple(tries) == (2, 2), (
        "both were refused once, and the waits never meet: who owns the Call-ID waits longer"
    )
    assert stage.is_held()
    alice.dialogue.hang_up()
    await stage.settle()
