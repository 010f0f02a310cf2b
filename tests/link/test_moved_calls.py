"""Calls whose media engine is lost go on by another one: in which order, and what their parties are told."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from tests.link.crash import Keeping
from tests.link.phones import Party, describe
from tests.link.stage import Stage
from tests.link.talking import both_sides, port_of, talking, version_of, who
from tests.link.virtual_time import virtual
from trunkline.app.media_story import MediaStory
from trunkline.call.call import Call
from trunkline.call.moving import AGAIN_S, AWAITED_S, Moves
from trunkline.media.commands import Command, MoveOwner, PortOpened, Reply
from trunkline.media.events import EngineLeaving, EngineLost
from trunkline.media.offer_answer import streams_of
from trunkline.pbx import scripts

LOST = "media.engine_lost"


def moving(per_s: float = 10.0) -> Stage:
    """A stage that moves calls, and tells of it."""
    stage = Stage()
    stage.engine.subscribe(MediaStory(stage.calls, 120.0))
    stage.engine.subscribe(Moves(stage.calls, per_s))
    return stage


def lose(stage: Stage, *calls: Call) -> None:
    """The engine that has these calls dies."""
    for call in calls:
        port = next(port for leg in call.legs for port in leg.media.ports if port is not None)
        stage.engine.tell(EngineLost(call.id, port, "udp:192.0.2.10:2223", "it does not answer"))


def last(party: Party) -> bytes:
    return [body for body in party.heard if body][-1]


def address_of(body: bytes) -> str:
    return streams_of(body)[0].address


async def told_anew(stage: Stage, *parties: Party) -> None:
    """Wait until each has been told an address other than the engine's first."""
    async with asyncio.timeout(200):
        while any(address_of(last(party)) == stage.engine.ADDRESS for party in parties):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def hang_up(stage: Stage, *parties: Party) -> None:
    for party in parties:
        party.dialogue.hang_up()
    await stage.settle()
    assert not {"call.bad_answer", "call.failed"} & set(stage.story)


@pytest.mark.rfc("3264", "8.3.1")
@virtual
async def test_both_parties_are_told_where_the_media_is_now() -> None:
    stage = moving()
    alice, bob = await talking(stage)
    call = stage.calls.all[-1]
    before = [(port_of(last(party)), version_of(last(party))) for party in (alice, bob)]
    lose(stage, call)
    await told_anew(stage, alice, bob)
    for party, (port, version), leg in zip((alice, bob), before, call.legs, strict=True):
        body = last(party)
        assert version_of(body) == version + 1
        assert port_of(body) == stage.engine.rtp_ports[leg.media.ports[0] or ""] != port
        assert b"only" not in body
    await hang_up(stage, alice)
    assert stage.story[-3:] == [LOST, "media.moved", "call.ended"]
    steps = {step["code"]: step["text"] for step in stage.over[-1].story}
    assert steps["media.moved"] == "media goes from one to two: it does not answer"


@pytest.mark.parametrize("event", [EngineLost, EngineLeaving])
@virtual
async def test_an_engine_that_is_well_again_keeps_the_call(event: type) -> None:
    stage = moving()
    alice, bob = await talking(stage)
    call = stage.calls.all[-1]
    stage.engine.stays.add(call.id)
    heard = len(alice.heard), len(bob.heard)
    told = (call.id, "port", "one", "it does not answer")
    stage.engine.tell(event(*told[: 4 if event is EngineLost else 3]))
    await asyncio.sleep(10)
    assert (len(alice.heard), len(bob.heard)) == heard
    await hang_up(stage, alice)
    assert "media.moved" not in stage.story


@virtual
async def test_an_engine_that_is_to_be_left_is_left_in_the_same_way() -> None:
    stage = moving()
    alice, bob = await talking(stage)
    stage.engine.tell(EngineLeaving(stage.calls.all[-1].id, "port", "one"))
    await told_anew(stage, alice, bob)
    await hang_up(stage, bob)
    assert LOST not in stage.story
    (told,) = [step["text"] for step in stage.over[-1].story if step["code"] == "media.moved"]
    assert told == "media goes from one to two: it is taken out of use"


@both_sides
@virtual
async def test_a_call_on_hold_stays_on_hold(side: str) -> None:
    stage = moving()
    await talking(stage)
    one, other = who(stage, side)
    other.offer_answer = describe(other.host, "a=recvonly", version=2)
    await one.reoffer(describe(one.host, "a=sendonly", version=2))
    one.offer_answer = describe(one.host, "a=sendonly", version=3)
    lose(stage, stage.calls.all[-1])
    await told_anew(stage, one, other)
    assert b"a=recvonly" in last(one)
    assert b"a=sendonly" in last(other)
    assert stage.is_held()
    ports = [leg.media.ports[0] or "" for leg in stage.calls.all[-1].legs]
    holder = ports[0 if side == "caller" else 1]
    assert not stage.engine.directions[holder].send
    await asyncio.sleep(1)
    other.offer_answer = describe(other.host, version=4)
    assert (await one.reoffer(describe(one.host, version=4)))[0] == 200
    assert not stage.is_held()
    await hang_up(stage, one)
    assert [code for code in stage.story if code in {"call.hold", "call.resume"}] == [
        "call.hold",
        "call.resume",
    ]


@virtual
async def test_who_talks_comes_first_then_who_rings_then_who_is_on_hold_at_a_steady_pace() -> None:
    stage = moving(per_s=2.0)
    pairs = [await talking(stage) for _ in range(1)]
    for number in range(2, 6):
        alice, bob = stage.party(), stage.party()
        bob.rings_s = 28.0 if number == 3 else 0.1
        if number == 3:
            stage.dial(alice, f"{1000 + 2 * number}")
            await alice.until("180")
        else:
            await stage.connect(alice, bob, f"{1000 + 2 * number}")
        pairs.append((alice, bob))
    calls = list(stage.calls.all)
    alice, bob = pairs[0]
    bob.offer_answer = describe(bob.host, "a=recvonly", version=2)
    await alice.reoffer(describe(alice.host, "a=sendonly", version=2))
    at: list[tuple[int, float]] = []

    def note(command: Command[Reply]) -> bool:
        if isinstance(command, MoveOwner):
            at.append(([call.id for call in calls].index(command.owner), stage.loop.time()))
        return False

    stage.engine.fault = note
    lose(stage, *reversed(calls))
    await asyncio.sleep(20)
    assert [number for number, _ in at] == [1, 3, 4, 2, 0]
    gaps = [later - earlier for (_, earlier), (_, later) in itertools.pairwise(at)]
    assert gaps == pytest.approx([0.5] * 4)
    await pairs[2][0].until("answered")
    for pair in pairs:
        pair[0].dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_call_that_rings_is_answered_with_the_new_address() -> None:
    stage = moving()
    alice, bob = stage.party(), stage.party(rings_s=5.0)
    stage.dial(alice, "1002")
    await alice.until("180")
    lose(stage, stage.calls.all[-1])
    await alice.until("answered")
    assert address_of(last(alice)) != stage.engine.ADDRESS
    before = len(alice.heard)
    await told_anew(stage, bob)
    await asyncio.sleep(5)
    assert len(alice.heard) == before, "it knows already"
    await hang_up(stage, alice)


@both_sides
@virtual
async def test_a_party_that_does_not_take_it_ends_the_call_with_the_reason(side: str) -> None:
    stage = moving()
    alice, bob = await talking(stage)
    one, _ = who(stage, side)
    one.offer_answer = 488
    lose(stage, stage.calls.all[-1])
    await alice.until("ended bye")
    await bob.until("ended bye")
    await stage.settle()
    assert stage.story[-1] == "media.move_refused"
    assert stage.outcome("in") == [(200, "media.move_refused", "exchange")]


@both_sides
@pytest.mark.rfc("3261", "14.1")
@virtual
async def test_a_change_of_a_party_that_crosses_it_is_no_obstacle(side: str) -> None:
    stage = moving()
    await talking(stage)
    one, other = who(stage, side)
    other.offer_answer = None  # its user is asked
    changing = asyncio.ensure_future(one.reoffer(describe(one.host, "a=sendonly", version=2)))
    await other.until("offered")
    lose(stage, stage.calls.all[-1])
    await asyncio.sleep(3)
    other.offer_answer = describe(other.host, "a=recvonly", version=2)
    other.dialogue.reoffer.answer(other.offer_answer)
    status, answer = await changing
    assert status == 200
    assert address_of(answer) != stage.engine.ADDRESS, "the answer tells it already"
    await told_anew(stage, other)
    assert "offered" not in one.said
    assert stage.is_held()
    await hang_up(stage, one)


@virtual
async def test_a_party_that_answers_491_is_asked_again() -> None:
    stage = moving()
    alice, bob = await talking(stage)
    bob.offer_answer = 491
    lose(stage, stage.calls.all[-1])
    await bob.until("offered")
    bob.offer_answer = describe(bob.host, version=2)
    await asyncio.sleep(10)
    assert bob.said.count("offered") == 2
    await hang_up(stage, alice)


@virtual
async def test_it_is_tried_again_while_no_engine_takes_it() -> None:
    stage = moving()
    alice, bob = await talking(stage)
    stage.engine.fault = lambda command: isinstance(command, MoveOwner)
    lose(stage, stage.calls.all[-1])
    await asyncio.sleep(5 * AGAIN_S)
    stage.engine.fault = lambda _command: False
    await told_anew(stage, alice, bob)
    await hang_up(stage, alice)
    assert stage.story.count("media.not_moved") == 1
    assert stage.story.count("media.moved") == 1


@virtual
async def test_a_second_loss_in_the_midst_of_the_first_is_told_too() -> None:
    stage = moving()
    alice, bob = await talking(stage)
    call = stage.calls.all[-1]
    bob.offer_answer = None
    lose(stage, call)
    await bob.until("offered")
    lose(stage, call)
    await asyncio.sleep(3)
    bob.offer_answer = describe(bob.host, version=3)
    bob.dialogue.reoffer.answer(describe(bob.host, version=2))
    await asyncio.sleep(5)
    ports = [stage.engine.rtp_ports[leg.media.ports[0] or ""] for leg in call.legs]
    assert [port_of(last(party)) for party in (alice, bob)] == ports
    await hang_up(stage, alice)
    assert stage.story.count("media.moved") == 2


@virtual
async def test_a_party_that_moves_with_us_is_followed() -> None:
    stage = moving()
    alice, bob = await talking(stage)
    bob.offer_answer = describe(bob.host, port=4700, version=2)
    lose(stage, stage.calls.all[-1])
    await told_anew(stage, alice, bob)
    await asyncio.sleep(1)
    port = stage.calls.all[-1].legs[1].media.ports[0] or ""
    assert stage.engine.remotes[port].rtp_port == 4700
    assert stage.engine.links[port] == stage.calls.all[-1].legs[0].media.ports[0]
    await hang_up(stage, alice)


@virtual
async def test_a_call_that_is_over_before_its_turn_is_let_go() -> None:
    stage = moving(per_s=0.2)
    alice, bob = await talking(stage)
    carol, dave = stage.party(), stage.party()
    await stage.connect(carol, dave, "1004")
    lose(stage, *stage.calls.all)
    await told_anew(stage, alice, bob)
    carol.dialogue.hang_up()
    alice.dialogue.hang_up()
    await stage.settle()
    assert stage.engine.moves == 1


@virtual
async def test_a_call_whose_ports_are_elsewhere_after_a_crash_tells_its_parties() -> None:
    stage = Stage()
    keeping = Keeping(stage)
    alice, bob = await talking(stage)
    await keeping.after(4)
    later = (await keeping.crash()).stage
    (call,) = later.calls.active.values()
    moves = Moves(later.calls, 10.0)
    moves.resume([call])
    await asyncio.sleep(3)
    assert later.engine.moves == 0, "they are where they were"
    places = [
        PortOpened(leg.media.ports[0] or "", "198.51.100.77", "198.51.100.77", 31_000 + 2 * number, 31_001)
        for number, leg in enumerate(call.legs)
    ]
    for leg in call.legs:
        leg.media.move_to(places)
    later.engine.stays.add(call.id)
    moves.resume([call])
    await told_anew(later, alice, bob)
    assert [port_of(last(party)) for party in (alice, bob)] == [31_000, 31_002]
    await asyncio.sleep(1)
    alice.dialogue.hang_up()
    await later.settle()
    assert later.story.count("media.moved") == 1


@virtual
async def test_with_no_pace_a_call_whose_ports_are_elsewhere_after_a_crash_is_ended_with_the_reason() -> None:
    stage = Stage()
    keeping = Keeping(stage)
    alice, bob = await talking(stage)
    await keeping.after(4)
    later = (await keeping.crash()).stage
    (call,) = later.calls.active.values()
    moves = Moves(later.calls, 0.0)
    moves.resume([call])
    assert not call.legs[0].done, "they are where they were"
    port = call.legs[1].media.ports[0] or ""
    call.legs[1].media.move_to([PortOpened(port, "198.51.100.77", "198.51.100.77", 31_000, 31_001)])
    moves.resume([call])
    await later.settle()
    assert [party.said[-1] for party in (alice, bob)] == ["ended bye", "ended bye"]
    assert {step["code"]: step["text"] for step in later.over[-1].story}["call.lost_in_crash"].endswith(
        "media.rtpengine.moves_per_s is 0"
    )


@virtual
async def test_with_no_pace_nothing_moves() -> None:
    stage = moving(per_s=0)
    alice, _bob = await talking(stage)
    lose(stage, stage.calls.all[-1])
    await asyncio.sleep(10)
    assert stage.engine.moves == 0
    await hang_up(stage, alice)


@virtual
async def test_a_party_that_talks_to_us_is_told_too() -> None:
    stage = moving()
    alice = stage.party()
    stage.extension("1002", "sip:unused@10.9.9.9")
    stage.door.scripts["1002"] = scripts.echo
    stage.dial(alice, "1002")
    await alice.until("answered")
    lose(stage, stage.calls.all[-1])
    await told_anew(stage, alice)
    await hang_up(stage, alice)


# A party that begins to encrypt, where another machine relays


SDES = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"
DTLS = (
    "a=setup:actpass\r\na=fingerprint:sha-256 " + ":".join(["5C"] * 32),
    "UDP/TLS/RTP/SAVP",
)


def secured(party: Party, how: str, version: int) -> bytes:
    rows, protocol = (SDES, "RTP/SAVP") if how == "sdes" else DTLS
    return describe(party.host, rows, version=version).replace(b"RTP/AVP", protocol.encode())


@pytest.mark.parametrize("how", ["sdes", "dtls"])
@both_sides
@virtual
async def test_a_party_that_turns_to_encryption_gets_a_port_here(side: str, how: str) -> None:
    stage = Stage()
    stage.engine.relays_away = True
    await talking(stage)
    one, other = who(stage, side)
    legs = stage.calls.all[-1].legs
    leg, across = legs if side == "caller" else reversed(legs)
    before, stays = leg.media.ports[0], across.media.ports[0]
    status, answer = await one.reoffer(secured(one, how, 2))
    assert status == 200
    port = leg.media.ports[0] or ""
    assert port != before
    assert before not in stage.engine.owners
    assert port_of(answer) == stage.engine.rtp_ports[port]
    assert port in (stage.engine.keys if how == "sdes" else stage.engine.dtls)
    assert stage.engine.links[port] == across.media.ports[0] == stays
    assert b"RTP/AVP" in last(other)
    await hang_up(stage, one)


@both_sides
@virtual
async def test_a_turn_that_is_refused_or_withdrawn_leaves_the_port(side: str) -> None:
    stage = Stage()
    stage.engine.relays_away = True
    await talking(stage)
    one, other = who(stage, side)
    legs = stage.calls.all[-1].legs
    leg, across = legs if side == "caller" else reversed(legs)
    before = leg.media.ports[0] or ""
    for version in (2, 3, 4):
        other.offer_answer = 488
        assert (await one.reoffer(secured(one, "sdes", version)))[0] == 488
        assert leg.media.ports[0] == before
    assert len(stage.engine.owners) == 3, "one port waits for a turn that is accepted"
    other.offer_answer = None
    turning = asyncio.ensure_future(one.reoffer(secured(one, "sdes", 5)))
    await other.until("offered")
    await asyncio.sleep(1)
    one.dialogue.reoffer.withdraw()
    assert (await turning)[0] == 487
    assert leg.media.ports[0] == before
    assert stage.engine.links[before] == across.media.ports[0]
    await asyncio.sleep(5)
    await hang_up(stage, one)


async def awaiting(per_s: float = 10.0) -> tuple[Keeping, Moves, Party, Party]:
    """After a crash, before any rtpengine answers: the exchange, and the parties of a call that was up."""
    keeping = Keeping(Stage())
    alice, bob = await talking(keeping.stage)
    await keeping.after(4)
    later = await keeping.crash(awaiting=True)
    stage = later.stage
    moves = Moves(stage.calls, per_s)
    moves.resume(list(stage.calls.active.values()))
    return later, moves, alice, bob


def answers(stage: Stage, *, knows: bool) -> None:
    """An rtpengine answers."""
    assert stage.engine.answers is not None
    stage.engine.knows = knows
    stage.engine.answers.set()


@virtual
async def test_a_call_waits_for_the_rtpengine_after_a_crash_and_its_parties_notice_nothing() -> None:
    later, _, alice, bob = await awaiting()
    stage = later.stage
    heard = len(alice.heard), len(bob.heard)
    await asyncio.sleep(AWAITED_S - 1)
    answers(stage, knows=True)
    await asyncio.sleep(60)
    assert (len(alice.heard), len(bob.heard)) == heard
    assert len(stage.calls.active) == 1
    await hang_up(stage, alice)
    assert "call.lost_in_crash" not in stage.story


@virtual
async def test_a_call_that_the_rtpengine_has_forgotten_goes_on_elsewhere() -> None:
    later, _, alice, bob = await awaiting()
    answers(later.stage, knows=False)
    await told_anew(later.stage, alice, bob)
    await asyncio.sleep(1)
    await hang_up(later.stage, bob)
    assert later.stage.story.count("media.moved") == 1


@virtual
async def test_with_no_pace_a_call_that_was_forgotten_ends_once_that_is_known() -> None:
    later, _, alice, bob = await awaiting(per_s=0.0)
    answers(later.stage, knows=False)
    await alice.until("ended bye")
    await bob.until("ended bye")
    await later.stage.settle()
    assert later.stage.outcome("in") == [(200, "call.lost_in_crash", "exchange")]


@virtual
async def test_when_none_answers_in_time_the_call_ends_with_the_reason() -> None:
    later, _, alice, bob = await awaiting()
    begun = asyncio.get_running_loop().time()
    await alice.until("ended bye")
    await bob.until("ended bye")
    assert AWAITED_S <= asyncio.get_running_loop().time() - begun <= AWAITED_S + 1
    await later.stage.settle()
    text = {step["code"]: step["text"] for step in later.stage.over[-1].story}["call.lost_in_crash"]
    assert text == "no rtpengine has answered for 10 s"


@both_sides
@virtual
async def test_a_party_holds_and_hangs_up_while_none_answers(side: str) -> None:
    later, _, alice, _bob = await awaiting()
    stage = later.stage
    one, other = who(stage, side)
    before = port_of(one.heard[-1])
    status, answer = await one.reoffer(describe(one.host, "a=sendonly", version=2))
    assert (status, port_of(answer), address_of(answer)) == (200, before, stage.engine.ADDRESS)
    assert stage.is_held()
    one.dialogue.hang_up()
    await other.until("ended bye")
    await stage.settle()
    assert not stage.engine.owners
    assert alice.said[-1].startswith("ended")


@virtual
async def test_a_stop_while_none_answers_ends_the_call_at_once() -> None:
    later, _, alice, bob = await awaiting()
    begun = asyncio.get_running_loop().time()
    for call in list(later.stage.calls.active.values()):  # as ``Exchange.end_calls`` does
        call.hang_up(code="call.exchange_stops")
    await alice.until("ended bye")
    await bob.until("ended bye")
    assert asyncio.get_running_loop().time() - begun < 1
    await later.stage.settle()
    assert later.stage.outcome("in") == [(200, "call.exchange_stops", "exchange")]


@virtual
async def test_a_second_crash_while_none_answers_finds_the_call_as_it_was() -> None:
    later, _, alice, bob = await awaiting()
    await later.after(3)
    again = await later.crash()
    Moves(again.stage.calls, 10.0).resume(list(again.stage.calls.active.values()))
    heard = len(alice.heard), len(bob.heard)
    await asyncio.sleep(20)
    assert (len(alice.heard), len(bob.heard)) == heard
    await hang_up(again.stage, bob)


@virtual
async def test_a_new_call_is_not_held_up_by_those_that_wait() -> None:
    later, _, alice, _bob = await awaiting()
    stage = later.stage
    carol, dave = stage.party(), stage.party()
    await stage.connect(carol, dave, "1004")
    carol.dialogue.hang_up()
    alice.dialogue.hang_up()
    await stage.settle()
