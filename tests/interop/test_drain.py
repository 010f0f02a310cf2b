"""Drained with a call up, as before an upgrade: the call goes on, no other begins, and the end is told."""

from __future__ import annotations

import asyncio

import pytest

from tests.interop.conftest import NewPhone
from tests.peers.exchange import ExchangeProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_call_outlives_the_drain_and_its_end_is_waited_for(
    new_phone: NewPhone, exchange: ExchangeProcess
) -> None:
    caller, callee, late = await new_phone(700), await new_phone(1200), await new_phone(900)
    await caller.dial(callee.account.user)
    await callee.event("CALL_INCOMING")
    await callee.accept()
    await caller.event("CALL_ESTABLISHED")
    await callee.event("CALL_ESTABLISHED")
    await exchange.run("drain")
    try:
        waiting = asyncio.create_task(exchange.attempt("drain", "--wait", "--within", "120", within=150))
        await late.dial(callee.account.user)
        closed = await late.event("CALL_CLOSED")
        assert "503" in str(closed)
        await caller.hears(1200)
        await callee.hears(700)
        gave_up, _out, errors = await exchange.attempt("drain", "--wait", "--within", "0")
        assert gave_up == 1
        assert not waiting.done()
        await caller.hangup()
        code, out, errors = await waiting
        assert (code, "the last call has ended" in out, "waiting for 1 call to end" in errors) == (
            0,
            True,
            True,
        )
    finally:
        await exchange.run("drain", "--undo")
    await exchange.no_calls()
