"""Changes within a call: hold, resume, new addresses, and what happens when they collide."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.phones import Party, describe
from tests.link.stage import HOST, Stage
from tests.link.test_call_early_media import port_of, version_of
from tests.link.virtual_time import virtual
from trunkline.media.offer_answer import streams_of


async def talking(stage: Stage) -> tuple[Party, Party]:
    alice, bob = stage.party(), stage.party()
    await stage.connect(alice, bob)
    return alice, bob


def who(stage: Stage, side: str) -> tuple[Party, Party]:
    """The party that changes the call, and the other."""
    alice, bob = stage.parties
    return (alice, bob) if side == "caller" else (bob, alice)


both_sides = pytest.mark.parametrize("side", ["caller", "callee"])


@both_sides
@pytest.mark.rule("T-20")
@pytest.mark.rfc("3264", "8")
@virtual
async def test_hold_and_resume_pass_through_with_our_addresses_and_versions(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    before = [body for body in other.heard if body][-1]
    other.offer_answer = describe(other.host, "a=recvonly", version=2)
    status, answer = await one.reoffer(describe(one.host, "a=sendonly", version=2))
    held = other.heard[-1]
    assert status == 200
    assert b"a=sendonly" in held
    assert b"a=recvonly" in answer
    assert f"c=IN IP4 {stage.engine.ADDRESS}".encode() in held
    assert port_of(held) == port_of(before)
    assert version_of(held) == version_of(before) + 1
    assert stage.is_held()
    other.offer_answer = describe(other.host, version=3)
    status, _answer = await one.reoffer(describe(one.host, version=3))
    assert status == 200
    assert version_of(other.heard[-1]) == version_of(held) + 1
    assert not stage.is_held()
    one.dialogue.hang_up()
    await stage.settle()
    assert [code for code in stage.story if code in {"call.hold", "call.resume"}] == [
        "call.hold",
        "call.resume",
    ]


@both_sides
@pytest.mark.rule("T-16")
@pytest.mark.rfc("4028", "7.4")
@virtual
async def test_a_refresh_that_changes_nothing_keeps_our_version(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    other.offer_answer = other.body
    first = [body for body in other.heard if body][-1]
    assert (await one.reoffer(one.body))[0] == 200
    assert other.heard[-1] == first
    one.dialogue.hang_up()
    await stage.settle()


@both_sides
@pytest.mark.parametrize(
    ("rows", "zero", "direction"),
    [
        (("a=sendonly",), False, b"a=sendonly"),
        (("a=inactive",), False, b"a=inactive"),
        ((), True, b"a=sendonly"),
        (("a=inactive",), True, b"a=inactive"),
    ],
)
@pytest.mark.rule("T-21")
@virtual
async def test_each_way_to_hold_reaches_the_other_as_a_direction(
    side: str, rows: tuple[str, ...], zero: bool, direction: bytes
) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    other.offer_answer = describe(other.host, "a=inactive", version=2)
    hold = describe("0.0.0.0" if zero else one.host, *rows, version=2)  # noqa: S104  (RFC 2543 hold)
    assert (await one.reoffer(hold))[0] == 200
    assert direction in other.heard[-1]
    assert stage.is_held()
    one.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-21")
@virtual
async def test_both_may_hold_and_the_call_is_held_until_both_resume() -> None:
    stage = Stage()
    alice, bob = await talking(stage)
    alice.offer_answer = bob.offer_answer = describe("10.0.0.77", "a=inactive", version=2)
    assert (await alice.reoffer(describe(alice.host, "a=sendonly", version=2)))[0] == 200
    assert (await bob.reoffer(describe(bob.host, "a=inactive", version=3)))[0] == 200
    assert (await alice.reoffer(describe(alice.host, version=3)))[0] == 200
    assert stage.is_held()
    assert (await bob.reoffer(describe(bob.host, version=4)))[0] == 200
    assert not stage.is_held()
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-21")
@virtual
async def test_a_move_to_another_address_is_ours_alone_to_follow() -> None:
    stage = Stage()
    alice, bob = await talking(stage)
    before = bob.heard[-1]
    bob.offer_answer = bob.body
    assert (await alice.reoffer(describe("203.0.113.7", port=4242, version=2)))[0] == 200
    assert bob.heard[-1] == before
    assert {remote.address for remote in stage.engine.remotes.values()} == {"203.0.113.7", bob.host}
    alice.dialogue.hang_up()
    await stage.settle()


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
@pytest.mark.rule("T-21")
@pytest.mark.rfc("3261", "14.1")
@virtual
async def test_a_resume_without_description_asks_the_other_for_an_offer(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    other.offer_answer = describe(other.host, version=7)
    done: asyncio.Future[bytes] = stage.loop.create_future()
    one.dialogue.reoffer.send(
        b"", lambda _status, response: done.set_result(response.body if response else b""), delayed=True
    )
    assert streams_of(await done)[0].address == stage.engine.ADDRESS
    one.dialogue.reoffer.acknowledge(describe(one.host, "a=ptime:40", version=8))
    await other.until("acknowledged" if side == "caller" else "answered")
    await asyncio.sleep(1)
    assert b"a=ptime:40" in other.heard[-1]
    one.dialogue.hang_up()
    await stage.settle()


@both_sides
@virtual
async def test_a_resume_without_description_whose_ack_brings_none_ends_the_call(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, _other = who(stage, side)
    done: list[int] = []
    one.dialogue.reoffer.send(b"", lambda status, _response: done.append(status))
    await one.until("ended bye")
    assert done == [200]
    await stage.settle()
    assert stage.outcome("in") == [(200, "call.bad_answer", "exchange")]


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


@both_sides
@virtual
async def test_a_resume_without_description_may_be_refused(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    other.offer_answer = 488
    assert (await one.reoffer(b""))[0] == 488
    one.dialogue.hang_up()
    await stage.settle()


@pytest.mark.parametrize("offer", [b"", b"nonsense"])
@both_sides
@virtual
async def test_a_party_that_was_asked_for_an_offer_and_gives_none_ends_the_call(
    side: str, offer: bytes
) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    other.offer_answer = offer
    await one.reoffer(b"")
    await one.until("ended bye")
    await other.until("ended bye")
    await stage.settle()
    assert stage.outcome("in") == [(200, "call.bad_offer", "exchange")]


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
