"""The exchange dies without a word and is started again: phones need not notice."""

from __future__ import annotations

import pytest

from tests.interop.conftest import NewPhone
from tests.peers.baresip import Transport
from tests.peers.exchange import ExchangeProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_phone_that_registered_before_a_crash_is_called_after_it(
    new_phone: NewPhone, exchange: ExchangeProcess, transport: Transport
) -> None:
    caller, callee = await new_phone(700), await new_phone(1200, transport=transport)
    await exchange.crash_and_restart()
    rows = await exchange.ask("registrations")
    assert callee.account.user in {row["number"] for row in rows}
    await caller.dial(callee.account.user)
    await callee.event("CALL_INCOMING")
    await callee.accept()
    await caller.event("CALL_ESTABLISHED")
    await callee.hears(700)
    await caller.hears(1200)
    await caller.hangup()
    await callee.event("CALL_CLOSED")
    await exchange.no_calls()
