"""Races between messages on a real wire, played by SIPp: what one side sends meets what the other sends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.test_sipp_calls import Stage, callee_numbers
from tests.peers.exchange import ExchangeProcess

__all__ = ["callee_numbers"]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def stage(
    exchange: ExchangeProcess, unused_numbers: Iterator[str], callee_numbers: Iterator[str], tmp_path: Path
) -> Stage:
    return Stage(exchange, next(unused_numbers), next(callee_numbers), tmp_path)


def received(messages: str, start: str) -> int:
    """How many messages that begin so SIPp has received."""
    return len(re.findall(rf"received .*?\n\n{re.escape(start)}", messages))


@pytest.mark.rule("T-03")
@pytest.mark.rfc(5407, "3.1.2")
async def test_an_answer_that_crosses_the_cancel_is_acknowledged_and_hung_up(stage: Stage) -> None:
    await stage.play(stage.caller("cancel_while_ringing"), "answer_when_cancelled")


@pytest.mark.rule("T-04")
@pytest.mark.rfc(3261, "13.2.2.4")
async def test_of_two_forks_that_answer_the_second_is_acknowledged_and_hung_up(stage: Stage) -> None:
    await stage.play(stage.caller("call_and_hang_up", hold_s=0.5), "answer_twice")


@pytest.mark.rule("T-02")
@pytest.mark.rfc(3261, "13.2.2.4")
async def test_every_repeated_answer_is_acknowledged_again(stage: Stage) -> None:
    asked, answered = await stage.play(stage.caller("call_and_hang_up", hold_s=0.5), "answer_again_and_again")
    answers = [part for part in answered.split("-" * 40) if "\nSIP/2.0 200" in part and " INVITE\n" in part]
    # SIPp itself repeats what it said last when an ACK comes twice.
    assert received(answered, "ACK ") == len(answers) >= 3
    # One, and that of its BYE; another only where the caller's own ACK came late.
    assert received(asked, "SIP/2.0 200") < 1 + len(answers), "the caller does not hear of each"


@pytest.mark.rule("T-01")
@pytest.mark.rfc(5407, "3.1.4")
async def test_a_caller_whose_ack_is_lost_may_hang_up(stage: Stage) -> None:
    await stage.play(stage.caller("hang_up_without_ack", hold_s=1.2), "answer")


@pytest.mark.rule("T-08")
@pytest.mark.rfc(3261, "14.2")
async def test_a_change_that_meets_one_of_the_other_side_is_refused_and_the_first_goes_through(
    stage: Stage,
) -> None:
    await stage.play(stage.caller("change_and_hang_up"), "meet_a_change_with_one")


@pytest.mark.rule("T-06")
@pytest.mark.rfc(3261, "9.2")
async def test_a_cancel_under_another_address_by_the_same_way_ends_the_ringing(stage: Stage) -> None:
    await stage.play(stage.caller("cancel_behind_nat"), "ring_until_cancelled")


@pytest.mark.rule("T-17")
@pytest.mark.rfc(3262, "5")
@pytest.mark.rfc(3311, "5.1")
async def test_early_media_that_arrives_for_certain_is_changed_before_the_answer(stage: Stage) -> None:
    asked, answered = await stage.play(stage.caller("call_with_prack", hold_s=0.3), "answer_after_prack")
    assert received(answered, "PRACK ") == received(answered, "UPDATE ") == 1
    assert "RSeq: 4711" not in asked, "each side has its own numbers"
