"""Attended transfer: two calls of one party become one of the others (RFC 3891, RFC 5589 §7)."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.crash import Keeping
from tests.link.memory_network import Weather
from tests.link.phones import Party, describe
from tests.link.stage import Stage
from tests.link.transferring import consultation, notifies, refer, relays, told, until_told
from tests.link.virtual_time import virtual
from trunkline.proto.sip.message import parse_message

ways = pytest.mark.parametrize("first", ["made", "received"])
consulted = pytest.mark.parametrize("second", ["made", "received"])


class TwoCalls:
    """The middle one talks to two, who do not know of each other; each call was made or received by it."""

    def __init__(self, stage: Stage | None = None) -> None:
        self.stage = stage or Stage()
        self.one, self.middle, self.two = (self.stage.party() for _ in range(3))

    async def connect(self, first: str, second: str) -> None:
        await self._call(self.one, "1001", first)
        self.first = self.middle.dialogue
        for party in (self.one, self.middle):
            party.said.clear()
        await self._call(self.two, "1003", second)
        self.second = self.middle.dialogue

    async def _call(self, other: Party, number: str, how: str) -> None:
        caller, callee, dialled = (
            (self.middle, other, number) if how == "made" else (other, self.middle, "1002")
        )
        self.stage.dial(caller, dialled)
        await callee.until("acknowledged")
        await caller.until("answered")
        self.middle.said.clear()

    async def join(self, *flags: str) -> int:
        """Transfer the first to the second, by a REFER within the first call."""
        self.middle.session = self.second
        to = consultation(self.middle, "1003", *flags)
        self.middle.session = self.first
        return (await refer(self.middle, to)).status

    async def over(self) -> None:
        self.one.dialogue.hang_up()
        await self.two.until("ended bye")
        await self.stage.settle()


@ways
@consulted
@pytest.mark.rule("T-37")
@pytest.mark.rfc("3891", "3")
@pytest.mark.rfc("5589", "7")
@virtual
async def test_the_two_others_talk_to_each_other_and_the_middle_one_is_out(first: str, second: str) -> None:
    calls = TwoCalls()
    await calls.connect(first, second)
    stage = calls.stage
    assert await calls.join() == 200
    await until_told(calls.middle, "200 terminated")
    await calls.middle.until("ended bye")
    await asyncio.sleep(1)
    assert calls.first.ended
    assert calls.second.ended
    assert not calls.one.dialogue.ended
    assert not calls.two.dialogue.ended
    assert relays(stage, calls.one, calls.two)
    assert len(stage.calls.active) == 1
    assert [stage.calls.load("t1", number) for number in ("1001", "1002", "1003")] == [1, 0, 1]
    await calls.over()
    assert len(stage.records) == 4
    assert len({record.call for record in stage.records}) == 2
    assert sorted(r.code for r in stage.records) == ["call.hangup"] * 2 + ["call.transferred"] * 2


@pytest.mark.rule("T-37")
@pytest.mark.rule("T-21")
@virtual
async def test_a_party_that_was_on_hold_meanwhile_talks_again() -> None:
    calls = TwoCalls()
    await calls.connect("received", "made")
    calls.middle.session = calls.first
    calls.one.offer_answer = describe(calls.one.host, "a=recvonly", version=2)
    await calls.middle.reoffer(describe(calls.middle.host, "a=sendonly", version=2))
    calls.one.offer_answer = describe(calls.one.host, version=3)
    await calls.join()
    await until_told(calls.middle, "200 terminated")
    await calls.middle.until("ended bye")
    await asyncio.sleep(1)
    assert all(b"a=recvonly" not in party.heard[-1] for party in (calls.one, calls.two))
    assert all(b"a=sendonly" not in party.heard[-1] for party in (calls.one, calls.two))
    (call,) = calls.stage.calls.active.values()
    assert not call.held
    await calls.over()


@pytest.mark.rule("T-37")
@pytest.mark.rule("T-19")
@pytest.mark.rfc("3725", "4.4")
@virtual
async def test_where_what_is_known_does_not_suit_who_stays_it_offers_itself() -> None:
    calls = TwoCalls()
    await calls.connect("received", "made")
    offers: list[bytes] = []
    one = calls.one
    first_on_offer = one.on_offer

    def on_offer(session, incoming) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        offers.append(incoming.request.body)
        one.offer_answer = 488 if incoming.request.body else describe(one.host, version=5)
        first_on_offer(session, incoming)

    one.on_offer = on_offer  # type: ignore[method-assign]
    await calls.join()
    await until_told(calls.middle, "200 terminated")
    assert [bool(body) for body in offers] == [True, False]
    await one.until("acknowledged")
    assert relays(calls.stage, one, calls.two)
    await calls.over()


@ways
@consulted
@pytest.mark.rule("T-37")
@virtual
async def test_when_they_cannot_agree_both_calls_are_as_they_were(first: str, second: str) -> None:
    calls = TwoCalls()
    await calls.connect(first, second)
    calls.two.offer_answer = calls.one.offer_answer = 488
    assert await calls.join() == 200
    await until_told(calls.middle, "488 terminated")
    assert len(calls.stage.calls.active) == 2
    for session in (calls.first, calls.second):
        assert not session.ended
        session.hang_up()
    await calls.one.until("ended bye")
    await calls.two.until("ended bye")
    await calls.stage.settle()


@ways
@pytest.mark.rule("T-37")
@virtual
async def test_a_middle_one_that_hangs_up_at_once_leaves_the_others_talking(first: str) -> None:
    calls = TwoCalls()
    await calls.connect(first, "made")
    assert await calls.join() == 200
    calls.first.hang_up()
    calls.second.hang_up()
    await asyncio.sleep(5)
    assert relays(calls.stage, calls.one, calls.two)
    assert not calls.one.dialogue.ended
    await calls.over()


@pytest.mark.parametrize("who", ["one", "two"])
@ways
@consulted
@pytest.mark.rule("T-37")
@virtual
async def test_a_party_that_leaves_meanwhile_takes_only_its_own_call_along(
    who: str, first: str, second: str
) -> None:
    calls = TwoCalls()
    await calls.connect(first, second)
    calls.one.offer_answer = calls.two.offer_answer = None  # neither answers our re-INVITE
    await calls.join()
    await asyncio.sleep(0.2)
    getattr(calls, who).dialogue.hang_up()
    await asyncio.sleep(1)
    gone, left = (calls.first, calls.second) if who == "one" else (calls.second, calls.first)
    assert gone.ended
    assert not left.ended
    for party in (calls.one, calls.two):
        party.dialogue.reoffer.refuse(488)
    left.hang_up()
    await calls.stage.settle()


@pytest.mark.rule("T-37")
@pytest.mark.rfc("3891", "3")
@virtual
async def test_early_only_asks_for_a_call_that_still_rings() -> None:
    calls = TwoCalls()
    await calls.connect("made", "made")
    assert await calls.join("early-only") == 486
    assert not notifies(calls.middle)
    calls.first.hang_up()
    calls.second.hang_up()
    await calls.stage.settle()


@pytest.mark.rule("T-37")
@pytest.mark.rfc("3891", "3")
@virtual
async def test_a_dialog_that_is_over_or_of_somebody_else_is_not_joined() -> None:
    calls = TwoCalls()
    await calls.connect("received", "made")
    one_to = consultation(calls.one, "1003")  # the dialog of one, not of the middle
    calls.middle.session = calls.second
    over_to = consultation(calls.middle, "1003")
    calls.middle.session = calls.first
    assert (await refer(calls.middle, one_to)).status == 603  # of the very call that is to be handed on
    calls.middle.session = calls.second
    assert (await refer(calls.middle, one_to)).status == 403
    calls.second.hang_up()
    await calls.two.until("ended bye")
    await asyncio.sleep(1)
    calls.middle.session = calls.first
    assert (await refer(calls.middle, over_to)).status == 481
    calls.first.hang_up()
    await calls.stage.settle()


@ways
@consulted
@pytest.mark.rule("T-37")
@virtual
async def test_the_joined_call_outlives_a_crash_with_its_books(first: str, second: str) -> None:
    calls = TwoCalls()
    keeping = Keeping(calls.stage)
    await calls.connect(first, second)
    await keeping.after(4)
    await calls.join()
    await until_told(calls.middle, "200 terminated")
    await keeping.after(4)
    before = list(calls.stage.records)
    assert len(keeping.journal.rows) == 1
    keeping = await keeping.crash()
    stage = keeping.stage
    calls.one.offer_answer = calls.two.offer_answer = describe("10.0.0.77", version=9)
    assert (await calls.one.reoffer(describe(calls.one.host, version=9)))[0] == 200
    calls.one.dialogue.hang_up()
    await calls.two.until("ended bye")
    await asyncio.sleep(100)
    records = before + [record for record in stage.records if record.id not in {r.id for r in before}]
    assert len(records) == len({record.id for record in records}) == 4
    assert len({record.call for record in records}) == 2
    assert all(bool(record.story) == (record.direction == "in") for record in records)


@pytest.mark.rule("T-34")
@pytest.mark.rfc("3325", "5")
@virtual
async def test_each_learns_whom_it_talks_to_from_now_on() -> None:
    calls = TwoCalls()
    await calls.connect("received", "made")
    await calls.join()
    await until_told(calls.middle, "200 terminated")
    for party, number in ((calls.one, "1003"), (calls.two, "1001")):
        last = parse_message(calls.stage.sent("10.0.0.100", "INVITE", party.host)[-1])
        assert last.headers["P-Asserted-Identity"] == f'"Number {number}" <sip:{number}@pbx.test>'
    await calls.over()


@pytest.mark.rule("T-36")
@virtual
async def test_nothing_of_one_dialog_shows_in_another() -> None:
    calls = TwoCalls()
    await calls.connect("received", "made")
    dialogs = [session.dialog for session in (calls.first, calls.second)]
    await calls.join()
    await until_told(calls.middle, "200 terminated")
    for party in (calls.one, calls.two):
        for data in calls.stage.sent("10.0.0.100", "", party.host):
            for dialog in dialogs:
                assert dialog is not None
                assert dialog.call_id.encode() not in data
                assert dialog.local_tag.encode() not in data
            assert calls.middle.host.encode() not in data
    await calls.over()
    assert told(calls.middle)[-1] == "200 terminated"


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.rule("T-37")
@virtual
async def test_calls_are_joined_through_loss_doubling_and_disorder(seed: int) -> None:
    calls = TwoCalls(Stage(Weather(loss=0.15, duplicate=0.1, late=0.1), seed))
    await calls.connect("received", "made" if seed % 2 else "received")
    assert await calls.join() == 200
    await asyncio.sleep(120)
    assert told(calls.middle)[-1] == "200 terminated"
    assert calls.first.ended
    assert calls.second.ended
    assert relays(calls.stage, calls.one, calls.two)
    calls.one.dialogue.hang_up()
    await asyncio.sleep(120)
    assert calls.two.dialogue.ended
    await calls.stage.settle()
