"""Texts from one real phone to another."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import PASSWORD, NewPhone
from tests.peers.baresip import Account, Baresip, Transport
from tests.peers.exchange import DOMAIN, ExchangeProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.rfc("3428", "4")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_text_is_shown_by_the_other_phone_with_who_wrote_it(
    new_phone: NewPhone, transport: Transport
) -> None:
    reader = await new_phone(transport=transport)
    writer = await new_phone(transport=transport, writes_to=reader.account.user)
    async with reader.screen() as screen, asyncio.timeout(60):
        await writer.write("Grüße aus dem Nebenzimmer")
        shown = await screen.readuntil(b"\n")
        while b"Nebenzimmer" not in shown:
            shown = await screen.readuntil(b"\n")
    assert '"Grüße aus dem Nebenzimmer"' in shown.decode()
    assert f"sip:{writer.account.user}@{DOMAIN}" in shown.decode()


async def waiting(exchange: ExchangeProcess, *, some: bool) -> list[dict[str, Any]]:
    """For whom texts wait, as soon as there are some, or none any more."""
    async with asyncio.timeout(60):
        while True:
            rows: list[dict[str, Any]] = json.loads(await exchange.run("texts", "list", "--json"))
            if bool(rows) is some:
                return rows


@pytest.mark.rule("T-39")
@pytest.mark.rfc("3428", "7")
async def test_a_text_waits_for_a_phone_that_is_switched_off(
    exchange: ExchangeProcess, new_phone: NewPhone, unused_numbers: Iterator[str], tmp_path: Path
) -> None:
    number = next(unused_numbers)
    writer = await new_phone(writes_to=number)
    await writer.write("Bis später")
    rows = await waiting(exchange, some=True)
    assert [(row["number"], row["count"]) for row in rows] == [(number, 1)]
    account = Account(number, PASSWORD, DOMAIN, f"127.0.0.1:{exchange.port('udp')}", "udp")
    async with Baresip(tmp_path / "reader", account) as reader:
        await reader.registered()
        await waiting(exchange, some=False)
    (told,) = [
        line for line in exchange.log().splitlines() if '"text.delivered"' in line and f'"{number}"' in line
    ]
    assert json.loads(told)["status"] == 200, "the phone took it"
