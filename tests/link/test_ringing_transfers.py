"""Attended transfer to a phone that still rings: whoever stays waits in the transferor's place (RFC 5589 §7.2)."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.crash import Keeping
from tests.link.memory_network import Weather
from tests.link.phones import describe
from tests.link.reliable import SUPPORTED
from tests.link.stage import HOST, Stage
from tests.link.talking import both_sides
from tests.link.test_call_reliable import answers_early, ringing
from tests.link.transferring import consultation, notifies, refer, relays, told, until_told
from tests.link.virtual_time import virtual


class Consulting:
    """The middle one (1002) talks to one (1001) and calls two (1003), who rings for ``rings_s`` seconds."""

    def __init__(self, stage: Stage | None = None, *, rings_s: float = 5.0) -> None:
        self.stage = stage or Stage()
        self.one, self.middle = self.stage.party(), self.stage.party()
        self.two = self.stage.party(rings_s=rings_s)

    async def begin(self, side: str = "caller", body: bytes | None = None, **rest: object) -> None:
        """``side`` is what the one who stays is in the first call."""
        if side == "caller":
            await self.stage.connect(self.one, self.middle)
        else:
            await self.stage.connect(self.middle, self.one, "1001")
        self.first = self.middle.dialogue
        self.middle.said.clear()
        self.stage.dial(self.middle, "1003", body, **rest)
        self.second = self.middle.dialogue
        await self._rings()
        self.one.said.clear()

    async def _rings(self) -> None:
        await self.two.until("invited")
        while not {"180", "183"} & set(self.middle.said):  # a network may lose it, and phones say it again
            await asyncio.sleep(1)
            self.two.incoming.progress(180)

    async def hand_on(self, *flags: str) -> int:
        self.middle.session = self.second
        to = consultation(self.middle, "1003", *flags)
        self.middle.session = self.first
        return (await refer(self.middle, to)).status

    async def joined(self) -> None:
        await self.two.until("acknowledged")
        await self.one.until("offered")
        await asyncio.sleep(3)
        assert not self.one.dialogue.ended
        assert not self.two.dialogue.ended
        assert relays(self.stage, self.one, self.two)
        assert len(self.stage.calls.active) == 1
        assert [self.stage.calls.load("t1", number) for number in ("1001", "1002", "1003")] == [1, 0, 1]

    async def over(self) -> None:
        self.one.dialogue.hang_up()
        await self.two.until("ended bye")
        await self.stage.settle()


def codes(stage: Stage) -> set[str]:
    return {step["code"] for record in stage.over for step in record.story}


@both_sides
@pytest.mark.rule("T-37")
@pytest.mark.rfc("5589", "7.2")
@pytest.mark.rfc("3891", "3")
@virtual
async def test_who_stays_gets_who_rings_and_the_transferor_is_out(side: str) -> None:
    calls = Consulting()
    await calls.begin(side)
    assert await calls.hand_on("early-only") == 200
    await asyncio.sleep(1)
    assert "ended bye" not in calls.middle.said, "until the answer all is as it was"
    assert relays(calls.stage, calls.one, calls.middle)
    await until_told(calls.middle, "200 terminated")
    await calls.joined()
    assert told(calls.middle)[0] == "180 active"
    assert "failed 487" in calls.middle.said
    assert calls.first.ended
    assert len(calls.two.invites) == 1, "the phone rings on, and is not called again"
    await calls.over()
    assert {"transfer.asked", "transfer.joined", "transfer.moved", "transfer.done"} <= codes(calls.stage)
    assert sorted(r.code for r in calls.stage.records) == ["call.hangup"] * 2 + ["call.transferred"] * 2


@both_sides
@pytest.mark.parametrize("hangs_up", [False, True])
@pytest.mark.rule("T-37")
@pytest.mark.rfc("5589", "7.2")
@virtual
async def test_a_transferor_that_cancels_its_call_ends_no_ringing(side: str, hangs_up: bool) -> None:
    calls = Consulting()
    await calls.begin(side)
    await calls.hand_on()
    calls.second.hang_up()
    if hangs_up:
        calls.first.hang_up()
    await calls.middle.until("failed 487")
    assert not calls.stage.sent(HOST, "CANCEL")
    await calls.joined()
    if not hangs_up:
        assert told(calls.middle)[-1] == "200 terminated"
    await calls.over()
    assert "transfer.done" in codes(calls.stage)


@pytest.mark.rule("T-37")
@pytest.mark.rule("T-19")
@virtual
async def test_a_consultation_without_offer_ends_with_the_answer_of_who_stays() -> None:
    calls = Consulting()
    await calls.begin(body=b"")
    await calls.hand_on()
    calls.second.hang_up()
    await calls.joined()
    assert b"m=audio" in calls.two.heard[-1], "the ACK answers"
    await calls.over()


@pytest.mark.parametrize("offers", [True, False])
@pytest.mark.rule("T-37")
@pytest.mark.rule("T-17")
@virtual
async def test_what_was_agreed_before_the_answer_is_agreed_anew(offers: bool) -> None:
    calls = Consulting()
    ringing(calls.two, answers_s=5.0)
    if not offers:
        answers_early(calls.middle, describe(calls.middle.host))
    await calls.begin(body=None if offers else b"", extra=SUPPORTED)
    await asyncio.sleep(1)
    await calls.hand_on()
    calls.second.hang_up()
    await calls.joined()
    await calls.over()


@pytest.mark.parametrize("cancels", [False, True])
@pytest.mark.rule("T-37")
@virtual
async def test_when_who_rings_declines_the_call_is_as_before(cancels: bool) -> None:
    calls = Consulting(rings_s=1000)
    await calls.begin()
    await calls.hand_on()
    if cancels:
        calls.second.hang_up()
        await calls.middle.until("failed 487")
    calls.two.incoming.refuse(486)
    await until_told(calls.middle, "486 terminated")
    await calls.middle.until("failed 487" if cancels else "failed 486")
    await asyncio.sleep(5)
    assert not calls.first.ended
    assert relays(calls.stage, calls.one, calls.middle)
    assert len(calls.stage.calls.active) == 1
    calls.first.hang_up()
    await calls.one.until("ended bye")
    await calls.stage.settle()
    assert {"transfer.failed", "transfer.returned"} <= codes(calls.stage)


@pytest.mark.rule("T-37")
@virtual
async def test_a_transferor_that_has_left_both_calls_is_rung_again_when_nobody_answers() -> None:
    calls = Consulting(rings_s=1000)
    await calls.begin()
    await calls.hand_on()
    calls.second.hang_up()
    await calls.middle.until("failed 487")
    calls.first.hang_up()
    calls.middle.said.clear()
    await calls.middle.until("acknowledged", 60)
    assert calls.middle.dialogue is not calls.first
    await asyncio.sleep(1)
    assert relays(calls.stage, calls.one, calls.middle)
    calls.one.dialogue.hang_up()
    await calls.middle.until("ended bye")
    await calls.stage.settle()
    assert "transfer.recall" in codes(calls.stage)


@pytest.mark.rule("T-37")
@virtual
async def test_when_who_stays_hangs_up_the_consultation_is_the_transferors_again() -> None:
    calls = Consulting()
    await calls.begin()
    await calls.hand_on()
    calls.one.dialogue.hang_up()
    await calls.middle.until("ended bye")
    calls.middle.session = calls.second
    await calls.middle.until("answered")
    await calls.two.until("acknowledged")
    assert relays(calls.stage, calls.middle, calls.two)
    calls.second.hang_up()
    await calls.two.until("ended bye")
    await calls.stage.settle()


@pytest.mark.rule("T-37")
@virtual
async def test_when_nobody_is_left_to_wait_the_phone_stops_ringing() -> None:
    calls = Consulting()
    await calls.begin()
    await calls.hand_on()
    calls.second.hang_up()
    await calls.middle.until("failed 487")
    calls.one.dialogue.hang_up()
    await calls.two.until("cancelled")
    await calls.stage.settle()


@pytest.mark.rule("T-37")
@virtual
async def test_who_stays_and_cannot_have_the_description_talks_on_as_before() -> None:
    calls = Consulting()
    await calls.begin()
    await calls.hand_on()
    calls.second.hang_up()
    calls.one.offer_answer = 488
    await calls.two.until("ended bye")
    await until_told(calls.middle, "488 terminated")
    await asyncio.sleep(5)
    assert relays(calls.stage, calls.one, calls.middle)
    calls.first.hang_up()
    await calls.one.until("ended bye")
    await calls.stage.settle()


@pytest.mark.rule("T-37")
@virtual
async def test_a_ringing_call_is_handed_on_once() -> None:
    calls = Consulting()
    await calls.begin()
    assert await calls.hand_on() == 200
    assert await calls.hand_on() == 491
    await calls.joined()
    await calls.over()


@pytest.mark.rule("T-37")
@pytest.mark.rfc("3891", "3")
@virtual
async def test_only_who_calls_hands_its_ringing_call_on() -> None:
    calls = Consulting()
    await calls.begin()
    calls.two.session, ringing = calls.one.dialogue, calls.two.dialogue
    calls.middle.session = calls.second
    to = consultation(calls.middle, "1003")
    assert (await refer(calls.one, to)).status == 403
    assert not notifies(calls.one)
    calls.two.session = ringing
    await calls.two.until("acknowledged")
    calls.second.hang_up()
    await calls.two.until("ended bye")
    calls.first.hang_up()
    await calls.stage.settle()


@both_sides
@pytest.mark.rule("T-37")
@virtual
async def test_the_new_call_outlives_a_crash_with_its_books(side: str) -> None:
    calls = Consulting()
    keeping = Keeping(calls.stage)
    await calls.begin(side)
    await keeping.after(3)
    await calls.hand_on()
    calls.second.hang_up()
    await calls.joined()
    await keeping.after(5)
    before = list(calls.stage.records)
    assert len(keeping.journal.rows) == 1
    keeping = await keeping.crash()
    calls.one.offer_answer = calls.two.offer_answer = describe("10.0.0.77", version=9)
    assert (await calls.one.reoffer(describe(calls.one.host, version=9)))[0] == 200
    calls.one.dialogue.hang_up()
    await calls.two.until("ended bye")
    await asyncio.sleep(100)
    records = {record.id: record for record in (*before, *keeping.stage.records)}
    assert len(records) == 4
    assert len({record.call for record in records.values()}) == 2
    assert all(bool(record.story) == (record.direction == "in") for record in records.values())


@pytest.mark.rule("T-36")
@virtual
async def test_nothing_of_the_consultation_shows_to_the_others() -> None:
    calls = Consulting()
    await calls.begin()
    dialogs = [session.dialog for session in (calls.first, calls.second)]
    await calls.hand_on()
    await calls.joined()
    for party in (calls.one, calls.two):
        for data in calls.stage.sent(HOST, "", party.host):
            for dialog in dialogs:
                assert dialog is not None
                assert dialog.call_id.encode() not in data
                assert dialog.local_tag.encode() not in data
            assert calls.middle.host.encode() not in data
    await calls.over()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.rule("T-37")
@virtual
async def test_ringing_calls_are_handed_on_through_loss_doubling_and_disorder(seed: int) -> None:
    calls = Consulting(Stage(Weather(loss=0.15, duplicate=0.1, late=0.1), seed), rings_s=20.0)
    await calls.begin("caller" if seed % 2 else "callee")
    assert await calls.hand_on() == 200
    if seed % 3:
        calls.second.hang_up()
    await asyncio.sleep(150)
    assert told(calls.middle)[-1] == "200 terminated"
    assert calls.first.ended
    assert relays(calls.stage, calls.one, calls.two)
    calls.one.dialogue.hang_up()
    await asyncio.sleep(120)
    assert calls.two.dialogue.ended
    await calls.stage.settle()
