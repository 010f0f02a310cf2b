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
    ("rows", "nowhere", "direction"),
    [
        (("a=sendonly",), "", b"a=sendonly"),
        (("a=inactive",), "", b"a=inactive"),
        ((), "0.0.0.0", b"a=sendonly"),  # noqa: S104  (RFC 2543 hold)
        (("a=recvonly",), "0.0.0.0", b"a=inactive"),  # noqa: S104
        (("a=inactive",), "0.0.0.0", b"a=inactive"),  # noqa: S104
        ((), "::", b"a=sendonly"),
        (("a=inactive",), "::", b"a=inactive"),
        ((), "nowhere.invalid", b"a=sendonly"),
    ],
)
@pytest.mark.rule("T-21")
@pytest.mark.rfc("3264", "8.4")
@virtual
async def test_each_way_to_hold_reaches_the_other_as_a_direction(
    side: str, rows: tuple[str, ...], nowhere: str, direction: bytes
) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    other.offer_answer = describe(other.host, "a=inactive", version=2)
    hold = describe(nowhere or one.host, *rows, version=2)
    if ":" in nowhere:
        hold = hold.replace(b"IP4", b"IP6")
    assert (await one.reoffer(hold))[0] == 200
    assert direction in other.heard[-1]
    assert f"c=IN IP4 {stage.engine.ADDRESS}".encode() in other.heard[-1]
    assert other.heard[-1].count(b"\r\na=sendonly\r\n") + other.heard[-1].count(b"\r\na=inactive\r\n") == 1
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


def gates(stage: Stage) -> list[tuple[bool, bool]]:
    """Whether each party is sent and heard what the other says, the caller's first."""
    call = stage.calls.all[-1]
    told = [stage.engine.directions[leg.media.live[0]] for leg in call.legs]
    return [(gate.send, gate.receive) for gate in told]


@pytest.mark.rule("T-21")
@pytest.mark.rfc("3264", "8.4")
@virtual
async def test_who_resumes_while_the_other_still_holds_hears_what_it_sends_and_is_not_heard_yet() -> None:
    stage = Stage()
    alice, bob = await talking(stage)
    bob.offer_answer = describe(bob.host, "a=recvonly", version=2)
    assert (await alice.reoffer(describe(alice.host, "a=sendonly", version=2)))[0] == 200
    assert gates(stage) == [(False, True), (True, False)]
    alice.offer_answer = describe(alice.host, "a=inactive", version=3)
    assert (await bob.reoffer(describe(bob.host, "a=sendonly", version=3)))[0] == 200
    assert gates(stage) == [(False, False), (False, True)]
    bob.offer_answer = describe(bob.host, "a=sendonly", version=4)
    status, answer = await alice.reoffer(describe(alice.host, version=4))
    assert (status, b"a=sendonly" in answer) == (200, True)
    assert stage.is_held()
    assert gates(stage) == [(True, True), (False, True)]
    alice.offer_answer = describe(alice.host, version=5)
    assert (await bob.reoffer(describe(bob.host, version=5)))[0] == 200
    assert not stage.is_held()
    assert gates(stage) == [(True, True), (True, True)]
    alice.dialogue.hang_up()
    await stage.settle()
    assert [code for code in stage.story if code in {"call.hold", "call.resume"}] == [
        "call.hold",
        "call.hold",
        "call.resume",
        "call.resume",
    ]


@both_sides
@pytest.mark.rule("T-21")
@virtual
async def test_a_resume_without_description_leaves_the_others_hold_alone(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    one.offer_answer = describe(one.host, "a=recvonly", version=2)
    assert (await other.reoffer(describe(other.host, "a=sendonly", version=2)))[0] == 200
    await asyncio.sleep(1)
    other.offer_answer = describe(other.host, "a=sendonly", version=3)
    done: asyncio.Future[bytes] = stage.loop.create_future()
    one.dialogue.reoffer.send(
        b"", lambda _status, response: done.set_result(response.body if response else b""), delayed=True
    )
    assert b"a=sendonly" in await done
    one.dialogue.reoffer.acknowledge(describe(one.host, "a=recvonly", version=4))
    await asyncio.sleep(1)
    assert stage.is_held(), "the other holds, as before"
    one.dialogue.hang_up()
    await stage.settle()


@both_sides
@pytest.mark.rule("T-08")
@pytest.mark.rule("T-21")
@pytest.mark.rfc("3261", "14.2")
@virtual
async def test_a_hold_while_a_change_is_under_way_is_to_be_tried_again(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    other.offer_answer = None
    change = asyncio.ensure_future(one.reoffer(describe(one.host, "a=ptime:40", version=2)))
    await other.until("offered")
    other.dialogue.reoffer.incoming, asked = (
        None,
        other.dialogue.reoffer.incoming,
    )  # it holds before it answers
    assert (await other.reoffer(describe(other.host, "a=sendonly", version=2)))[0] == 491
    assert not stage.is_held()
    other.dialogue.reoffer.incoming = asked
    other.dialogue.reoffer.answer(describe(other.host, version=3))
    assert (await change)[0] == 200
    await asyncio.sleep(1)
    one.offer_answer = describe(one.host, "a=recvonly", version=4)
    assert (await other.reoffer(describe(other.host, "a=sendonly", version=4)))[0] == 200
    assert stage.is_held()
    one.dialogue.hang_up()
    await stage.settle()


@both_sides
@pytest.mark.rule("T-21")
@virtual
async def test_a_move_during_a_hold_is_followed_and_holds_on(side: str) -> None:
    stage = Stage()
    await talking(stage)
    one, other = who(stage, side)
    other.offer_answer = describe(other.host, "a=recvonly", version=2)
    assert (await one.reoffer(describe(one.host, "a=sendonly", version=2)))[0] == 200
    told = other.heard[-1]
    assert (await one.reoffer(describe("203.0.113.7", "a=sendonly", port=4242, version=3)))[0] == 200
    assert other.heard[-1] == told
    assert stage.is_held()
    assert ("203.0.113.7", 4242) in {
        (remote.address, remote.rtp_port) for remote in stage.engine.remotes.values()
    }
    one.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rule("T-19")
@pytest.mark.rule("T-08")
@pytest.mark.rfc("3261", "14.2")
@virtual
async def test_requests_for_an_offer_from_both_sides_at_once_are_both_refused_and_the_call_lives() -> None:
    stage = Stage()
    alice, bob = await talking(stage)
    outcomes = await asyncio.gather(alice.reoffer(b""), bob.reoffer(b""))
    assert [status for status, _ in outcomes] == [491, 491]
    assert (await alice.reoffer(alice.body))[0] == 200
    alice.dialogue.hang_up()
    await stage.settle()
