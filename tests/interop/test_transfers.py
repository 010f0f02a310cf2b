"""Real phones hand a call on: who was transferred and the new party hear each other, the transferor is out of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import PASSWORD, NewPhone
from tests.peers.baresip import Account, Baresip
from tests.peers.exchange import DOMAIN, ExchangeProcess
from tests.peers.linphone import Linphone

pytestmark = pytest.mark.asyncio(loop_scope="module")

STAYS_HZ, MIDDLE_HZ, NEW_HZ = 700.0, 1000.0, 1200.0


@pytest.mark.rule("T-37")
@pytest.mark.rfc("5589", "6.1")
async def test_a_call_that_baresip_transfers_goes_on_without_it(
    new_phone: NewPhone, exchange: ExchangeProcess
) -> None:
    stays, middle, new = await new_phone(STAYS_HZ), await new_phone(MIDDLE_HZ), await new_phone(NEW_HZ)
    await stays.dial(middle.account.user)
    await middle.event("CALL_INCOMING")
    await middle.accept()
    await middle.event("CALL_ESTABLISHED")
    await stays.hears(MIDDLE_HZ)
    await middle.control.command("transfer", f"sip:{new.account.user}@{DOMAIN}")
    await new.event("CALL_INCOMING")
    await new.accept()
    await new.event("CALL_ESTABLISHED")
    await middle.event("CALL_CLOSED")
    await _both_hear(stays, new)
    await new.hangup()
    await stays.event("CALL_CLOSED")
    await exchange.no_calls()


@pytest.mark.rule("T-37")
@pytest.mark.rfc("5589", "7")
async def test_calls_that_linphone_joins_go_on_without_it(
    new_phone: NewPhone, exchange: ExchangeProcess, unused_numbers: Iterator[str], tmp_path: Path
) -> None:
    stays, new = await new_phone(STAYS_HZ), await new_phone(NEW_HZ)
    server = f"127.0.0.1:{exchange.port('udp')}"
    account = Account(next(unused_numbers), PASSWORD, DOMAIN, server, "udp")
    async with Linphone(tmp_path, account, MIDDLE_HZ) as middle:
        await middle.registered()
        for phone in (stays, new):
            middle.command(f"call sip:{phone.account.user}@{DOMAIN}")
            await phone.event("CALL_INCOMING")
            await phone.accept()
            await phone.event("CALL_ESTABLISHED")
            await phone.hears(MIDDLE_HZ)
            if phone is stays:
                middle.command("pause")  # or it refuses to call
                await middle.said("[Pp]aused")
        middle.command("transfer 1 --to-call 2")
        await _both_hear(stays, new)
        await new.hears_nothing_of(MIDDLE_HZ)
        await new.hangup()
        await stays.event("CALL_CLOSED")
    await exchange.no_calls()


@pytest.mark.rule("T-37")
@pytest.mark.rfc("5589", "7.2")
async def test_a_call_that_linphone_hands_on_to_a_phone_that_rings_goes_on_without_it(
    new_phone: NewPhone, exchange: ExchangeProcess, unused_numbers: Iterator[str], tmp_path: Path
) -> None:
    stays, new = await new_phone(STAYS_HZ), await new_phone(NEW_HZ)
    server = f"127.0.0.1:{exchange.port('udp')}"
    account = Account(next(unused_numbers), PASSWORD, DOMAIN, server, "udp")
    async with Linphone(tmp_path, account, MIDDLE_HZ) as middle:
        await middle.registered()
        middle.command(f"call sip:{stays.account.user}@{DOMAIN}")
        await stays.event("CALL_INCOMING")
        await stays.accept()
        await stays.event("CALL_ESTABLISHED")
        await middle.said("connected")  # before that there is nothing to pause
        middle.command("pause")
        await middle.said("[Pp]aused")
        middle.command(f"call sip:{new.account.user}@{DOMAIN}")
        await new.event("CALL_INCOMING")
        await middle.said("ringing")
        middle.command("transfer 1 --to-call 2")
        await _is_asked_to_hand_on(exchange, new.account.user)
        await new.accept()
        await new.event("CALL_ESTABLISHED")
        await _both_hear(stays, new)
        await new.hangup()
        await stays.event("CALL_CLOSED")
    await exchange.no_calls()


async def _both_hear(stays: Baresip, new: Baresip) -> None:
    await stays.hears(NEW_HZ)
    await new.hears(STAYS_HZ)


async def _is_asked_to_hand_on(exchange: ExchangeProcess, number: str, within: float = 60.0) -> None:
    """Wait until a call's story tells that the other party is to go on to a number which still rings."""
    async with asyncio.timeout(within):
        while True:
            for call in await exchange.ask("calls"):
                if f"on to {number}, which rings" in await exchange.run("explain", call["call"]):
                    return
            await asyncio.sleep(0.05)  # each look starts a program
