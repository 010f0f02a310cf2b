"""Calls at a steady rate with authentication: none fails, and nothing is left behind."""

from __future__ import annotations

import os
from pathlib import Path

from tests.peers.exchange import DOMAIN, ExchangeProcess, Extension
from tests.peers.sipp import Sipp, both_succeed

# Five hundred calls; `make soak` asks for others.
SECONDS = int(os.environ.get("TRUNKLINE_LOAD_SECONDS", "10"))
CALLS_PER_SECOND = int(os.environ.get("TRUNKLINE_LOAD_RATE", "50"))
CALLS = SECONDS * CALLS_PER_SECOND
CALLER = Extension("u100000", "nine-blue-chairs-17")


async def test_hundreds_of_calls_leave_nothing_behind(tmp_path: Path) -> None:
    async with Sipp(tmp_path, "answer", calls=CALLS) as callee:
        extensions = [CALLER, Extension("200", contact=callee.uri)]
        async with ExchangeProcess(tmp_path, extensions) as exchange:
            before = await exchange.metrics()
            await _call(tmp_path, exchange, callee)
            after = await exchange.idle(within=120, tasks=before["trunkline_event_loop_tasks"])
    assert after["trunkline_calls_total"] - before.get("trunkline_calls_total", 0.0) == CALLS


async def _call(folder: Path, exchange: ExchangeProcess, callee: Sipp) -> None:
    caller = Sipp(
        folder,
        "call_and_hang_up",
        remote=exchange.address,
        service="200",
        user=CALLER.number,
        password=CALLER.password,
        keys={"caller": CALLER.number, "domain": DOMAIN},
        calls=CALLS,
        rate=CALLS_PER_SECOND,
        hold_s=0.5,
    )
    async with caller:
        await both_succeed(caller, callee, SECONDS + 110)
