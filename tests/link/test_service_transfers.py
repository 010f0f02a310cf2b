"""Transfer to a number that the exchange answers itself: whoever stays talks to the service (RFC 5589 §6)."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.crash import Keeping
from tests.link.phones import Party, describe
from tests.link.stage import Stage
from tests.link.talking import both_sides
from tests.link.transferring import notifies, refer, relays, told, until_told
from tests.link.virtual_time import virtual
from trunkline.call.call import Call
from trunkline.media.commands import Echo, Tone
from trunkline.pbx.route import Service


def who(stage: Stage, side: str) -> tuple[Party, Party]:
    """The party that transfers, and the one that stays."""
    alice, bob = stage.parties[:2]
    return (alice, bob) if side == "caller" else (bob, alice)


async def talking(stage: Stage | None = None) -> Stage:
    stage = stage or Stage()
    alice, bob = stage.party(), stage.party()
    await stage.connect(alice, bob)
    return stage


async def over(stage: Stage, party: Party) -> None:
    party.dialogue.hang_up()
    await stage.settle()


def doing(stage: Stage, party: Party) -> Echo | Tone | None:
    """What the engine does to a party."""
    by_address = {remote.address: port for port, remote in stage.engine.remotes.items()}
    done = stage.engine.doing.get(by_address[party.host])
    return done if isinstance(done, Echo | Tone) else None


@both_sides
@pytest.mark.parametrize(("number", "does"), [("9196", Echo), ("9197", Tone)])
@pytest.mark.rule("T-37")
@pytest.mark.rule("T-19")
@pytest.mark.rfc("3515", "2.4.4")
@pytest.mark.rfc("3264", "8")
@virtual
async def test_who_stays_offers_and_gets_the_service(side: str, number: str, does: type) -> None:
    stage = await talking()
    one, other = who(stage, side)
    assert (await refer(one, number)).status == 200
    await until_told(one, "200 terminated")
    await one.until("ended bye")
    await asyncio.sleep(1)
    assert isinstance(doing(stage, other), does)
    assert not other.dialogue.ended
    assert b"m=audio" in other.heard[-1], "the ACK of the re-INVITE without offer answers"
    assert [stage.calls.load("t1", number) for number in ("1001", "1002")] == (
        [0, 1] if side == "caller" else [1, 0]
    )
    await over(stage, other)
    assert sorted(record.code for record in stage.records) == ["call.hangup", "call.transferred"]
    assert [code for code in stage.story if code.startswith("transfer.")] == [
        "transfer.asked",
        "transfer.done",
    ]


@both_sides
@pytest.mark.rule("T-37")
@pytest.mark.rule("T-21")
@virtual
async def test_who_stays_may_hold_and_resume_the_service(side: str) -> None:
    stage = await talking()
    one, other = who(stage, side)
    await refer(one, "9196")
    await one.until("ended bye")
    status, answer = await other.reoffer(describe(other.host, "a=sendonly", version=3))
    assert status == 200
    assert b"a=recvonly" in answer
    assert (await other.reoffer(describe(other.host, version=4)))[0] == 200
    assert isinstance(doing(stage, other), Echo)
    await over(stage, other)


@both_sides
@pytest.mark.rule("T-37")
@virtual
async def test_a_service_that_is_done_hangs_up(side: str) -> None:
    stage = await talking()
    one, other = who(stage, side)

    async def brief(call: Call) -> None:
        await call.answer()
        await asyncio.sleep(3)

    stage.door.services[Service.ECHO] = brief
    await refer(one, "9196")
    await other.until("ended bye")
    await stage.settle()
    assert sorted(record.code for record in stage.records) == ["call.hangup", "call.transferred"]


@both_sides
@pytest.mark.rule("T-37")
@virtual
async def test_a_transferor_that_hangs_up_at_once_leaves_the_other_at_the_service(side: str) -> None:
    stage = await talking()
    one, other = who(stage, side)
    other.offer_answer = None
    await refer(one, "9196")
    await other.until("offered")
    one.dialogue.hang_up()
    await asyncio.sleep(1)
    other.dialogue.reoffer.answer(describe(other.host, version=2))
    await asyncio.sleep(1)
    assert isinstance(doing(stage, other), Echo)
    await over(stage, other)


@both_sides
@pytest.mark.rule("T-37")
@virtual
async def test_who_cannot_have_the_service_talks_on_as_before(side: str) -> None:
    stage = await talking()
    one, other = who(stage, side)
    other.offer_answer = 488
    await refer(one, "9196")
    await until_told(one, "488 terminated")
    assert relays(stage, one, other)
    assert not one.dialogue.ended
    assert stage.calls.all[0].story.last_code == "transfer.returned"
    await over(stage, one)


@both_sides
@pytest.mark.rule("T-37")
@virtual
async def test_who_stays_hangs_up_meanwhile(side: str) -> None:
    stage = await talking()
    one, other = who(stage, side)
    other.offer_answer = None
    await refer(one, "9196")
    await other.until("offered")
    other.dialogue.hang_up()
    await one.until("ended bye")
    assert "200 terminated" not in told(one)
    assert notifies(one)
    await stage.settle()


@both_sides
@pytest.mark.rule("T-37")
@virtual
async def test_the_service_outlives_a_crash(side: str) -> None:
    stage = await talking()
    keeping = Keeping(stage)
    one, other = who(stage, side)
    await keeping.after(4)
    await refer(one, "9196")
    await one.until("ended bye")
    await keeping.after(5)
    keeping = await keeping.crash()
    assert (await other.reoffer(describe(other.host, version=9)))[0] == 200
    assert isinstance(doing(keeping.stage, other), Echo)
    other.dialogue.hang_up()
    await asyncio.sleep(100)
    assert not keeping.stage.calls.active
    records = {record.id: record for record in (*stage.records, *keeping.stage.records)}
    assert sorted(record.code for record in records.values()) == ["call.hangup", "call.transferred"]
