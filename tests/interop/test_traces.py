"""Calls through a real exchange, as its traces show them: live, and after they have ended."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.interop.conftest import PASSWORD
from tests.peers.exchange import DOMAIN, ECHO_NUMBER, ExchangeProcess, Extension
from tests.peers.programs import end_process
from tests.peers.softphone import Handset, handset
from tests.peers.warm import warm_trunkline
from tests.unit.app.trace.pcap_reader import read_pcap

pytestmark = pytest.mark.asyncio(loop_scope="module")

WITHIN_S = 60.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def keeping(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ExchangeProcess]:
    """An exchange that keeps the messages of calls."""
    extensions = [Extension(number, PASSWORD) for number in ("301", "302")]
    async with ExchangeProcess(tmp_path_factory.mktemp("exchange"), extensions, trace=True) as running:
        yield running


def phone_of(exchange: ExchangeProcess, number: str, transport: str = "udp") -> Any:
    return handset(number, PASSWORD, exchange.address, transport, DOMAIN)


async def one_call(caller: Handset, callee: Handset) -> None:
    """Call, answer, hang up, and wait until both are done with it."""
    going = await caller.phone.call(callee.phone.account.user)
    await (await callee.rung()).answer()
    await caller.event("answered")
    going.hang_up()
    await caller.event("ended")
    await callee.event("ended")


@asynccontextmanager
async def live_trace(exchange: ExchangeProcess, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """``trunkline trace`` once it has begun."""
    process = await asyncio.create_subprocess_exec(
        await asyncio.to_thread(warm_trunkline),
        "trace",
        *words,
        "--data",
        str(exchange.folder / "data"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        line = await asyncio.wait_for(process.stderr.readline(), WITHIN_S)
        assert b"tracing from now on" in line
        yield process
    finally:
        await end_process(process)


async def lines_until(process: asyncio.subprocess.Process, marks: list[str]) -> list[dict[str, Any]]:
    """Lines of JSON until these have been seen in messages, in their order."""
    assert process.stdout is not None
    seen: list[dict[str, Any]] = []
    left = list(marks)
    async with asyncio.timeout(WITHIN_S):
        while left:
            seen.append(json.loads(await process.stdout.readline()))
            if left[0] in seen[-1]["message"]:
                left.pop(0)
    return seen


async def test_both_legs_of_a_call_that_has_ended_are_shown(keeping: ExchangeProcess, tmp_path: Path) -> None:
    async with phone_of(keeping, "301") as caller, phone_of(keeping, "302", "tcp") as callee:
        await callee.phone.register()
        await one_call(caller, callee)
    await keeping.no_calls()
    legs = await keeping.ask("records", "--limit", "2")
    call = legs[0]["call"]
    messages = [json.loads(line) for line in (await keeping.run("trace", call, "--json")).splitlines()]
    assert {message["sip_call_id"] for message in messages} == {leg["sip_call_id"] for leg in legs}
    assert {message["transport"] for message in messages} == {"UDP", "TCP"}
    starts = [message["message"].split("\r\n")[0].split(" sip:")[0] for message in messages]
    for start in ("INVITE", "SIP/2.0 401 Unauthorized", "SIP/2.0 180 Ringing", "ACK", "BYE"):
        assert start in starts
    assert starts.count("BYE") == 2
    text = "".join(message["message"] for message in messages)
    assert 'response="' + "x" * 32 in text

    ladder = await keeping.run("trace", call[:13], "--pcap", str(tmp_path / "call.pcap"))
    assert ["301", "trunkline", "302"] in [line.split() for line in ladder.splitlines()]
    packets = read_pcap((tmp_path / "call.pcap").read_bytes())
    assert [packet.data.decode() for packet in packets] == [message["message"] for message in messages]
    # A SIP Call-ID of either leg leads to both.
    again = await keeping.run("trace", "--sip-call-id", legs[1]["sip_call_id"], "--json")
    assert len(again.splitlines()) == len(messages)


async def test_what_was_kept_can_be_read_without_the_exchange(tmp_path: Path) -> None:
    async with (
        ExchangeProcess(tmp_path, [Extension("301", PASSWORD)], trace=True) as exchange,
        phone_of(exchange, "301") as caller,
    ):
        going = await caller.phone.call(ECHO_NUMBER)
        await caller.event("answered")
        going.hang_up()
        await caller.event("ended")
        await exchange.no_calls()
        (leg,) = await exchange.ask("records")
        await exchange.stop()
        assert "BYE" in await exchange.run("trace", leg["call"])


async def test_a_number_is_traced_live_with_its_registration_and_both_legs(keeping: ExchangeProcess) -> None:
    async with (
        live_trace(keeping, "--number", "302", "--json") as trace,
        phone_of(keeping, "301") as caller,
        phone_of(keeping, "302") as callee,
    ):
        await callee.phone.register()
        await one_call(caller, callee)
        seen = await lines_until(trace, ["REGISTER ", "INVITE ", "INVITE ", "BYE ", "BYE ", "200 OK"])
        assert len({message["sip_call_id"] for message in seen}) == 3
        trace.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(trace.wait(), WITHIN_S) == 0


async def test_a_trace_of_a_call_ends_with_it(keeping: ExchangeProcess) -> None:
    async with phone_of(keeping, "301") as caller:
        going = await caller.phone.call(ECHO_NUMBER)
        await caller.event("answered")
        (row,) = await keeping.ask("calls")
        async with live_trace(keeping, row["call"], "--follow") as trace:
            going.hang_up()
            out, _ = await asyncio.wait_for(trace.communicate(), WITHIN_S)
        assert trace.returncode == 0
        assert "INVITE" in out.decode()
        assert "BYE" in out.decode()


async def test_a_trace_ends_after_its_time_and_several_run_at_once(keeping: ExchangeProcess) -> None:
    async with (
        live_trace(keeping, "--for", "0.2") as one,
        live_trace(keeping, "--sip-call-id", "unknown", "--follow", "--for", "0.2") as other,
    ):
        for process in (one, other):
            out, errors = await asyncio.wait_for(process.communicate(), WITHIN_S)
            assert process.returncode == 0
            assert out == b""
            assert b"no message was seen" in errors


async def test_a_call_that_was_not_kept_is_told_to_be_so(exchange: ExchangeProcess) -> None:
    async with phone_of(exchange, "301") as caller:
        await caller.phone.call("4711")
        await caller.event("ended")
    await exchange.no_calls()
    (leg,) = await exchange.ask("records")
    with pytest.raises(AssertionError, match="nothing was kept"):
        await exchange.run("trace", leg["call"])
    with pytest.raises(AssertionError, match="there is no call"):
        await exchange.run("trace", "0193c8a0-5c3e-7aaa-8bbb-0123456789ab")


async def test_what_came_by_tls_is_shown_as_it_was_inside(tmp_path: Path) -> None:
    extension = Extension("301", PASSWORD)
    async with ExchangeProcess(tmp_path, [extension], listen=("tls",), trace=True) as exchange:
        server = f"127.0.0.1:{exchange.port('tls')}"
        async with handset("301", PASSWORD, server, "tls", DOMAIN, ca=exchange.certificate) as caller:
            going = await caller.phone.call(ECHO_NUMBER)
            await caller.event("answered")
            going.hang_up()
            await caller.event("ended")
        await exchange.no_calls()
        (leg,) = await exchange.ask("records")
        out = await exchange.run("trace", leg["call"], "--json", "--pcap", str(tmp_path / "call.pcap"))
    messages = [json.loads(line) for line in out.splitlines()]
    assert {message["transport"] for message in messages} == {"TLS"}
    packets = read_pcap((tmp_path / "call.pcap").read_bytes())
    assert [packet.data.decode() for packet in packets] == [message["message"] for message in messages]
    assert all("127.0.0.1 5060" in {packet.source, packet.target} for packet in packets)
