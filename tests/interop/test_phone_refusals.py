"""What a real phone is told when a call cannot be: each reason has its status."""

from __future__ import annotations

import pytest

from tests.interop.conftest import NewPhone
from tests.peers.exchange import ExchangeProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_unknown_number_gets_404(new_phone: NewPhone) -> None:
    phone = await new_phone()
    await phone.dial("987654")
    closed = await phone.event("CALL_CLOSED")
    assert closed["param"].startswith("404 ")


async def test_an_unregistered_extension_gets_480(new_phone: NewPhone) -> None:
    phone = await new_phone()
    await phone.dial("360")
    closed = await phone.event("CALL_CLOSED")
    assert closed["param"].startswith("480 ")


async def test_a_phone_that_rejects_makes_486(new_phone: NewPhone, exchange: ExchangeProcess) -> None:
    caller, callee = await new_phone(700), await new_phone(1200)
    await caller.dial(callee.account.user)
    await callee.event("CALL_INCOMING")
    await callee.hangup()
    closed = await caller.event("CALL_CLOSED")
    assert closed["param"].startswith("486 ")
    await exchange.no_calls()
