"""``trunkline phone`` as a program: what it prints and how it ends, beside a running exchange."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.interop.conftest import PASSWORD
from tests.peers.exchange import ECHO_NUMBER, TONE_NUMBER, ExchangeProcess
from tests.peers.programs import end_process
from tests.peers.warm import warm_trunkline

pytestmark = pytest.mark.asyncio(loop_scope="module")

WITHIN_S = 60.0


@asynccontextmanager
async def phone(
    exchange: ExchangeProcess, number: str, *words: str, password: str = PASSWORD
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The program; it finds the exchange by its data folder."""
    process = await asyncio.create_subprocess_exec(
        await asyncio.to_thread(warm_trunkline),
        *("phone", "--user", number, *words),
        env={
            **os.environ,
            "TRUNKLINE_DATA": str(exchange.folder / "data"),
            "TRUNKLINE_PHONE_PASSWORD": password,
        },
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        await end_process(process)


async def run(
    exchange: ExchangeProcess, number: str, *words: str, stdin: str = "", password: str = PASSWORD
) -> tuple[int | None, str, str]:
    async with phone(exchange, number, *words, password=password) as process:
        out, errors = await asyncio.wait_for(process.communicate(stdin.encode()), WITHIN_S)
        return process.returncode, out.decode(), errors.decode()


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), WITHIN_S)).decode().strip()


async def test_registering_ends_with_0_and_a_wrong_password_with_1(exchange: ExchangeProcess) -> None:
    code, out, _ = await run(exchange, "301", "register")
    assert (code, out.splitlines()) == (
        0,
        ["registered as sip:301@trunkline.test for 3600 s", "no longer registered"],
    )
    code, _, errors = await run(exchange, "301", "register", password="wrong")
    assert code == 1
    assert "401" in errors


async def test_a_call_ends_with_its_summary(exchange: ExchangeProcess) -> None:
    code, out, _ = await run(
        exchange, "301", "--json", "call", ECHO_NUMBER, "--tone", "440", "--duration", "0.5"
    )
    events = [json.loads(text) for text in out.splitlines()]
    assert code == 0
    assert [event["event"] for event in events] == ["calling", "answered", "ended"]
    assert events[-1]["packets_in"] > 0
    assert events[-1]["status"] == 200


async def test_a_number_that_is_nobodys_ends_with_1_and_its_status(exchange: ExchangeProcess) -> None:
    code, out, _ = await run(exchange, "301", "call", "4711")
    assert code == 1
    assert "404 Not Found" in out


async def test_a_tone_that_is_played_is_recorded_and_heard(exchange: ExchangeProcess, tmp_path: Path) -> None:
    words = ("call", TONE_NUMBER, "--duration", "2", "--record", str(tmp_path / "heard.wav"), "--expect-tone")
    code, out, errors = await run(exchange, "301", *words, "440")
    assert code == 0, (out, errors)
    assert (tmp_path / "heard.wav").exists()
    code, out, _ = await run(exchange, "301", "call", TONE_NUMBER, "--duration", "2", "--expect-tone", "1000")
    assert code == 5, out


async def test_one_program_calls_another(exchange: ExchangeProcess) -> None:
    async with phone(exchange, "302", "--transport", "tcp", "answer", "--echo") as callee:
        assert (await line(callee)).startswith("registered")
        code, out, _ = await run(exchange, "301", "call", "302", "--dtmf", "4#", "--duration", "0.5")
        assert code == 0
        assert "sent key 4 by rtp" in out
        rest, _ = await asyncio.wait_for(callee.communicate(), WITHIN_S)
        assert "incoming call from 301" in rest.decode()
        assert "heard key #" in rest.decode()
        assert callee.returncode == 0


async def test_nobody_who_calls_ends_with_4(exchange: ExchangeProcess) -> None:
    code, _, errors = await run(exchange, "301", "answer", "--wait", "0.1")
    assert code == 4
    assert "nobody called" in errors


async def test_commands_come_line_by_line(exchange: ExchangeProcess) -> None:
    script = f"""
        # hold and resume need a call that is up
        call {ECHO_NUMBER}
        wait answered
        tone 500
        hold
        resume
        hangup
        wait ended 10
    """
    code, out, _ = await run(exchange, "301", stdin=script)
    assert code == 0, out
    told = [text.split(" ")[0] for text in out.splitlines()]
    assert told == ["registered", "calling", "answered,", "held", "resumed", "ended", "no"]


async def test_a_command_that_cannot_be_done_is_told_and_the_next_one_is_done(
    exchange: ExchangeProcess,
) -> None:
    wrong = {
        "dance": "dance is no command",
        "call": "call needs NUMBER",
        "hangup": "there is no call",
        "sleep long": "'long' is no number",
        "wait answered 0.1": "no answered within 0.1 s",
    }
    code, out, _ = await run(exchange, "301", stdin="\n".join(wrong))
    told = out.splitlines()
    assert [words in line for line, words in zip(told[1:-1], wrong.values(), strict=True)] == [True] * len(
        wrong
    )
    assert code == 1


async def test_a_file_that_cannot_be_played_is_told(exchange: ExchangeProcess) -> None:
    script = f"call {ECHO_NUMBER}\nwait answered\nplay /nowhere.wav\nwait played"
    code, out, _ = await run(exchange, "301", stdin=script)
    assert "nowhere.wav" in out
    assert code == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
async def test_a_signal_ends_it_in_order(exchange: ExchangeProcess, number: int, code: int) -> None:
    async with phone(exchange, "301", "answer") as process:
        assert (await line(process)).startswith("registered")
        process.send_signal(number)
        assert await line(process) == "no longer registered"
        assert await asyncio.wait_for(process.wait(), WITHIN_S) == code
