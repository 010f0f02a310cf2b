"""Calls to several contacts: who wins, who is cancelled, what the caller is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.link.phones import Party
from tests.link.stage import Stage
from tests.link.virtual_time import virtual
from trunkline.call.target import Target
from trunkline.ua.sessions import ServerSession

ELSEWHERE = 'SIP;cause=200;text="Call completed elsewhere"'


def desk(stage: Stage, count: int = 3, **rest: float | str) -> tuple[Party, list[Party]]:
    """A caller, and ``count`` phones that all ring for 1500."""
    alice = stage.party()
    stage.extension("1500")
    return alice, [stage.party("1500", **rest) for _ in range(count)]


@pytest.mark.rule("T-06")
@virtual
async def test_the_first_to_answer_wins_and_the_others_are_told_why_they_stop_ringing() -> None:
    stage = Stage()
    alice, (bob, carol, dave) = desk(stage, answers=False)
    carol.answers, carol.rings_s = True, 3.0
    await stage.connect(alice, carol, "1500")
    await bob.until("cancelled")
    await dave.until("cancelled")
    assert bob.reasons == dave.reasons == [ELSEWHERE]
    alice.dialogue.hang_up()
    await carol.until("ended bye")
    await stage.settle()
    assert stage.outcome("out") == [
        (487, "call.elsewhere", "exchange"),
        (200, "call.hangup", "caller"),
        (487, "call.elsewhere", "exchange"),
    ]


@virtual
async def test_the_losers_give_their_ports_back_at_once() -> None:
    stage = Stage()
    alice, (bob, _carol, _dave) = desk(stage, answers=False)
    bob.answers = True
    await stage.connect(alice, bob, "1500")
    assert len(stage.engine.owners) == 2
    alice.dialogue.hang_up()
    await stage.settle()


@pytest.mark.rfc("3261", "13.2.2.4")
@pytest.mark.rule("T-04")
@virtual
async def test_an_answer_that_comes_too_late_is_acknowledged_and_hung_up() -> None:
    stage = Stage()
    alice, (bob, carol) = desk(stage, 2, rings_s=1.0)
    carol.rings_s = 1.003
    await stage.connect(alice, bob, "1500")
    await carol.until("ended bye")
    assert "acknowledged" in carol.said
    assert alice.said[-1] == "answered"
    alice.dialogue.hang_up()
    await stage.settle()
    assert stage.outcome("out") == [(200, "call.hangup", "caller"), (487, "call.elsewhere", "exchange")]


@virtual
async def test_two_answers_in_one_moment_leave_one_call() -> None:
    stage = Stage()
    alice, (bob, carol) = desk(stage, 2, rings_s=1.0)
    stage.dial(alice, "1500")
    await alice.until("answered")
    await carol.until("ended bye")
    alice.dialogue.hang_up()
    await bob.until("ended bye")
    await stage.settle()
    assert alice.said.count("answered") == 1


@virtual
async def test_when_all_are_busy_the_caller_hears_busy() -> None:
    stage = Stage()
    alice, phones = desk(stage)
    for phone in phones:
        phone.refuse_with = 486
    stage.dial(alice, "1500")
    await alice.until("failed 486")
    await stage.settle()
    assert stage.outcome("in") == [(486, "call.busy", "exchange")]
    assert stage.outcome("out") == [(486, "call.busy", "callee")] * 3


@pytest.mark.parametrize(
    ("statuses", "told"),
    [((404, 486, 480), 486), ((480, 488, 500), 488), ((500, 480, 503), 500), ((408, 404, 480), 404)],
)
@pytest.mark.rfc("3261", "16.7")
@virtual
async def test_of_several_failures_the_caller_gets_the_one_that_says_most(
    statuses: tuple[int, ...], told: int
) -> None:
    stage = Stage()
    alice, phones = desk(stage)
    for phone, status in zip(phones, statuses, strict=True):
        phone.refuse_with = status
    stage.dial(alice, "1500")
    await alice.until(f"failed {told}")
    await stage.settle()


@pytest.mark.rfc("3261", "16.7")
@virtual
async def test_a_decline_for_all_ends_the_fork_at_once() -> None:
    stage = Stage()
    alice, (bob, carol, dave) = desk(stage, answers=False)

    def decline(session: ServerSession) -> None:
        session.progress(180)
        stage.loop.call_later(2.0, session.refuse, 603)

    carol.on_invite = decline
    begun = stage.loop.time()
    stage.dial(alice, "1500")
    await alice.until("failed 603")
    assert stage.loop.time() - begun < 2.2
    await bob.until("cancelled")
    await dave.until("cancelled")
    assert bob.reasons == [None]
    await stage.settle()
    assert stage.outcome("out") == [
        (487, "call.refused_elsewhere", "exchange"),
        (603, "call.refused", "callee"),
        (487, "call.refused_elsewhere", "exchange"),
    ]


@virtual
async def test_each_branch_has_a_ring_timeout_of_its_own() -> None:
    stage = Stage(ring_timeout_s=20.0)
    alice, (bob, carol) = desk(stage, 2, answers=False)
    stage.contacts["1500"][0].ring_timeout_s = 5.0
    begun = stage.loop.time()
    stage.dial(alice, "1500")
    await bob.until("cancelled")
    assert stage.loop.time() - begun < 5.3
    assert "cancelled" not in carol.said
    await alice.until("failed 480")
    assert stage.loop.time() - begun > 20.0
    await stage.settle()
    assert stage.outcome("out") == [(480, "call.no_answer", "exchange")] * 2


@virtual
async def test_a_caller_who_gives_up_ends_all_branches() -> None:
    stage = Stage()
    alice, phones = desk(stage, answers=False)
    stage.dial(alice, "1500")
    await alice.until("180")
    alice.dialogue.hang_up()
    for phone in phones:
        await phone.until("cancelled")
    await stage.settle()
    assert stage.outcome("out") == [(487, "call.cancelled", "caller")] * 3


class Source:
    """Targets that come in their time; it notes how it ended."""

    def __init__(self, *steps: tuple[float, Target], lingers_s: float = 0.0) -> None:
        self.steps = steps
        self.lingers_s = lingers_s
        self.ended = asyncio.Event()
        self.given = 0

    async def targets(self) -> AsyncIterator[Target]:
        try:
            for wait_s, target in self.steps:
                await asyncio.sleep(wait_s)
                self.given += 1
                yield target
            await asyncio.sleep(self.lingers_s)
        finally:
            self.ended.set()


@virtual
async def test_a_branch_that_joins_late_may_still_win() -> None:
    stage = Stage()
    alice, bob, carol = stage.party(), stage.party(), stage.party()
    bob.refuse_with = 486
    source = Source((0.0, stage.contacts["1002"][0]), (5.0, stage.contacts["1003"][0]))
    stage.ring("1700", source.targets())
    stage.dial(alice, "1700")
    await asyncio.sleep(4)
    assert stage.outcome("out") == []
    assert not any(said.startswith("failed") for said in alice.said), "the source may still bring one"
    await carol.until("acknowledged")
    alice.dialogue.hang_up()
    await stage.settle()
    assert stage.outcome("out") == [(486, "call.busy", "callee"), (200, "call.hangup", "caller")]


@virtual
async def test_the_call_fails_when_the_source_ends_without_an_answer() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    bob.refuse_with = 486
    source = Source((0.0, stage.contacts["1002"][0]), lingers_s=5.0)
    stage.ring("1700", source.targets())
    begun = stage.loop.time()
    stage.dial(alice, "1700")
    await alice.until("failed 486")
    assert stage.loop.time() - begun > 5.0
    await stage.settle()


@virtual
async def test_a_source_that_brings_nobody_leaves_the_callee_unavailable() -> None:
    stage = Stage()
    alice = stage.party()
    stage.ring("1700", Source().targets())
    stage.dial(alice, "1700")
    await alice.until("failed 480")
    await stage.settle()
    assert stage.outcome("in") == [(480, "call.nobody_registered", "exchange")]


@virtual
async def test_an_answer_ends_the_source() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    stage.party()
    source = Source((0.0, stage.contacts["1002"][0]), (60.0, stage.contacts["1003"][0]))
    stage.ring("1700", source.targets())
    await stage.connect(alice, bob, "1700")
    await asyncio.wait_for(source.ended.wait(), 1.0)
    alice.dialogue.hang_up()
    await stage.settle()
    assert source.given == 1


@virtual
async def test_a_caller_who_gives_up_ends_the_source() -> None:
    stage = Stage()
    alice = stage.party()
    stage.party(answers=False)
    source = Source((0.0, stage.contacts["1002"][0]), (60.0, stage.contacts["1002"][0]))
    stage.ring("1700", source.targets())
    stage.dial(alice, "1700")
    await alice.until("180")
    alice.dialogue.hang_up()
    await asyncio.wait_for(source.ended.wait(), 1.0)
    await stage.settle()


@virtual
async def test_a_source_that_is_never_awaited_again_is_closed_too() -> None:
    stage = Stage(media_delay_s=2.0)
    alice, bob = stage.party(), stage.party(rings_s=0.1)
    source = Source((0.0, stage.contacts["1002"][0]), (2.5, stage.contacts["1002"][0]))
    stage.ring("1700", source.targets())
    # The second target is still being dialled, its ports being opened, when the first answers.
    stage.dial(alice, "1700")
    await bob.until("acknowledged")
    assert source.ended.is_set()
    await alice.until("answered")
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_source_that_fails_is_reported_and_ends_like_any_other() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    bob.refuse_with = 486

    async def broken() -> AsyncIterator[Target]:
        yield stage.contacts["1002"][0]
        raise ZeroDivisionError

    stage.ring("1700", broken())
    stage.dial(alice, "1700")
    await alice.until("failed 486")
    assert isinstance(stage.faults.pop(), ZeroDivisionError)
    await stage.settle()


@virtual
async def test_one_contact_that_cannot_be_reached_does_not_hurt_the_others() -> None:
    stage = Stage()
    alice, bob = stage.party(), stage.party()
    stage.extension("1500", "sip:x@nowhere.invalid", "sip:y@10.9.9.9", "sip:1002@10.0.0.2")
    await stage.connect(alice, bob, "1500")
    alice.dialogue.hang_up()
    await stage.settle()
    assert stage.outcome("out") == [
        (480, "call.not_sent", "exchange"),
        (487, "call.elsewhere", "exchange"),
        (200, "call.hangup", "caller"),
    ]
