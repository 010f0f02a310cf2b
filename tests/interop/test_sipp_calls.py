"""SIPp as caller and callee: the turns that a phone rarely takes on command."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers.exchange import DOMAIN, ExchangeProcess, Extension
from tests.peers.sipp import Sipp, both_succeed

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def callee_numbers() -> Iterator[str]:
    return (f"4{number:02}" for number in itertools.count())


@pytest.fixture
def stage(
    exchange: ExchangeProcess, unused_numbers: Iterator[str], callee_numbers: Iterator[str], tmp_path: Path
) -> Stage:
    # SIPp begins each run with the same cnonce and nc: a second run by the same user within a second would
    # rightly be taken for a replay.
    return Stage(exchange, next(unused_numbers), next(callee_numbers), tmp_path)


class Stage:
    """A caller and a callee of SIPp with the exchange between them."""

    def __init__(self, exchange: ExchangeProcess, caller: str, callee: str, folder: Path) -> None:
        self.exchange = exchange
        self.account = exchange.extensions[caller]
        self.number = callee
        self.folder = folder

    def caller(self, scenario: str, service: str = "", **options: Any) -> Sipp:
        return Sipp(
            self.folder,
            scenario,
            remote=self.exchange.address,
            service=service or self.number,
            user=self.account.number,
            password=self.account.password,
            keys={"caller": self.account.number, "domain": DOMAIN},
            **options,
        )

    async def play(self, caller: Sipp, callee_scenario: str, within: float = 60.0) -> tuple[str, str]:
        """Run both to their ends; both must go by their scenarios. The messages of caller and callee."""
        async with Sipp(self.folder, callee_scenario, transport=caller.transport) as callee:
            await self.exchange.add(Extension(self.number, contact=callee.uri))
            async with caller:
                asked, answered = await both_succeed(caller, callee, within)
        await self.exchange.no_calls()
        return asked.messages, answered.messages


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_the_caller_hangs_up(stage: Stage, transport: str) -> None:
    await stage.play(stage.caller("call_and_hang_up", transport=transport), "answer")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_the_callee_hangs_up(stage: Stage, transport: str) -> None:
    await stage.play(stage.caller("call_until_hung_up", transport=transport), "answer_and_hang_up")


async def test_a_caller_who_cancels_ends_the_ringing(stage: Stage) -> None:
    await stage.play(stage.caller("cancel_while_ringing"), "ring_until_cancelled")


async def test_a_busy_callee_is_passed_on_as_486(stage: Stage) -> None:
    await stage.play(stage.caller("call_refused", texts={"status": "486"}), "answer_busy")


async def test_an_unknown_number_is_404(stage: Stage) -> None:
    async with stage.caller("call_refused", service="987654", texts={"status": "404"}) as caller:
        await caller.succeed()


async def test_an_unregistered_extension_is_480(stage: Stage) -> None:
    async with stage.caller("call_refused", service="360", texts={"status": "480"}) as caller:
        await caller.succeed()


async def test_a_wrong_password_is_challenged_again_and_never_let_in(stage: Stage) -> None:
    async with stage.caller("call_with_wrong_password") as caller:
        await caller.succeed()


async def test_the_200_comes_again_until_it_is_acknowledged(stage: Stage) -> None:
    asked, answered = await stage.play(stage.caller("acknowledge_late"), "answer")
    received = re.findall(r"received.*?(?=\n-{10})", asked, re.DOTALL)
    answers = [message for message in received if "200 OK" in message and "CSeq: 2 INVITE" in message]
    assert len(answers) >= 3, f"{len(answers)} answers in two seconds"
    # The callee does not wait for the caller's ACK: it gets one from the exchange, and has to say so only once unless
    # the machine is busy. One of its 200s is that to the BYE.
    assert answered.count("SIP/2.0 200 OK") - 1 < len(answers)


async def test_a_registered_phone_is_listed(stage: Stage) -> None:
    async with stage.caller("register") as phone:
        await phone.succeed()
    assert stage.account.number in await stage.exchange.run("registrations")


async def test_a_callee_who_never_answers_is_cancelled(tmp_path: Path) -> None:
    caller = Extension("301", "nine-blue-chairs-17")
    async with ExchangeProcess(tmp_path, [caller], sip={"ring_timeout_s": 1}) as exchange:
        stage = Stage(exchange, caller.number, "400", tmp_path)
        await stage.play(stage.caller("call_refused", texts={"status": "480"}), "ring_until_cancelled")


async def test_a_call_that_is_never_acknowledged_is_ended(stage: Stage) -> None:
    """Takes 64*T1, 32 s, by its nature (RFC 3261 §13.3.1.4)."""
    await stage.play(stage.caller("never_acknowledge"), "answer", within=90.0)
