"""Hold, resume and refresh within a call."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.phones import describe
from tests.link.stage import Stage
from tests.link.talking import both_sides, port_of, talking, version_of, who
from tests.link.virtual_time import virtual
from trunkline.media.offer_answer import streams_of


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
@pytest.mark.rule("T-21")
@pytest.mark.rfc("3261", "14.1")
@virtual
async def test_a_resume_without_description_asks_the_other_for_an_offer(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    assert (await one.reoffer(describe(one.host, "a=sendonly", version=2)))[0] == 200
    assert stage.is_held()
    await asyncio.sleep(1)
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
    assert not stage.is_held()
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
