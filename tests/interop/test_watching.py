"""A real phone watches another, and is told of messages that wait for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import PASSWORD, NewPhone
from tests.peers.baresip import Account, Baresip
from tests.peers.exchange import DOMAIN, ExchangeProcess

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.rule("T-38")]


async def subscriptions(exchange: ExchangeProcess, number: str) -> list[dict[str, Any]]:
    """Of one extension, as soon as there are two."""
    async with asyncio.timeout(60):
        while True:
            rows: list[dict[str, Any]] = json.loads(
                await exchange.run("subscriptions", "--number", number, "--json")
            )
            if len(rows) == 2:
                return rows


async def shows(phone: Baresip, state: str) -> None:
    """Wait until the phone shows this state of the one that it watches."""
    shown = ""
    try:
        async with asyncio.timeout(60):
            while state not in shown:
                shown = await phone.control.command("contacts")
    except TimeoutError:
        raise AssertionError(f"not {state}: {shown}") from None


@pytest.mark.rfc("3842", "3")
@pytest.mark.rfc("3856", "6")
async def test_a_phone_follows_anothers_presence_and_its_own_mailbox(
    exchange: ExchangeProcess, new_phone: NewPhone, unused_numbers: Iterator[str], tmp_path: Path
) -> None:
    other = next(unused_numbers)
    watcher = await new_phone(watches=other)
    number = watcher.account.user
    rows = await subscriptions(exchange, number)
    assert sorted((row["event"], row["number"]) for row in rows) == [
        ("message-summary", number),
        ("presence", other),
    ]
    await exchange.run("mwi", "set", number, "--new", "2", "--old", "5")
    told = await watcher.event("MWI_NOTIFY")
    while "2/5" not in json.dumps(told):
        told = await watcher.event("MWI_NOTIFY")
    await shows(watcher, "Offline")
    account = Account(other, PASSWORD, DOMAIN, f"127.0.0.1:{exchange.port('udp')}", "udp")
    async with Baresip(tmp_path / "other", account) as phone:
        await phone.registered()
        await shows(watcher, "Online")
