"""JsSIP over secure WebSocket registers, calls and texts a UDP phone, and is called and texted by it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.peers.baresip import Account, Baresip
from tests.peers.exchange import DOMAIN, ExchangeProcess, Extension
from tests.peers.web_client import WebClient

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.rfc("7118", "4")]

PASSWORD = "nine-blue-chairs-17"
WEB_HZ, PHONE_HZ = 600.0, 1100.0
LOUD_DBFS = -20.0

Pair = tuple[WebClient, Baresip]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exchange(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ExchangeProcess]:
    folder = tmp_path_factory.mktemp("exchange")
    extensions = [Extension(f"{number}", PASSWORD) for number in range(401, 421)]
    plain = 'browsers = "plain"\n'  # it speaks no DTLS, unlike a browser
    async with ExchangeProcess(folder, extensions, listen=("udp", "ws", "wss"), media=plain) as running:
        yield running


@pytest.fixture(scope="module")
def numbers() -> list[str]:
    """Extensions that no test has used."""
    return [f"{number}" for number in range(401, 421)]


@pytest_asyncio.fixture(loop_scope="module")
async def phones(exchange: ExchangeProcess, numbers: list[str], tmp_path: Path) -> AsyncIterator[Pair]:
    """A web client over wss and a baresip over UDP, registered."""
    account, number = Account(numbers.pop(), PASSWORD, DOMAIN, exchange.address), numbers.pop()
    async with (
        Baresip(tmp_path, account, PHONE_HZ, writes_to=number) as phone,
        web_client(exchange, number, "wss") as client,
    ):
        await phone.registered()
        await client.event("registered")
        yield client, phone
        with contextlib.suppress(AssertionError):
            await phone.hangup()


def web_client(exchange: ExchangeProcess, number: str, transport: str) -> WebClient:
    url = f"{transport}://localhost:{exchange.port(transport)}/"
    return WebClient(url, f"sip:{number}@{DOMAIN}", PASSWORD, ca=exchange.certificate, tone_hz=WEB_HZ)


async def test_the_web_client_calls_holds_and_hangs_up(phones: Pair) -> None:
    client, phone = phones
    client.command("call", target=phone.account.user)
    await phone.event("CALL_INCOMING")
    await phone.accept()
    await client.event("confirmed")
    await phone.hears(WEB_HZ, LOUD_DBFS)
    await client.hears(PHONE_HZ, LOUD_DBFS)
    client.command("hold")
    await client.event("held")
    await phone.hears_nothing_of(WEB_HZ)
    client.command("unhold")
    await client.event("resumed")
    client.command("forget")
    await client.hears(PHONE_HZ, LOUD_DBFS)
    client.command("hangup")
    await phone.event("CALL_CLOSED")


async def test_the_web_client_is_called_and_hung_up_on(phones: Pair) -> None:
    client, phone = phones
    await phone.dial(phone.writes_to)
    assert (await client.event("incoming"))["from"] == phone.account.user
    client.command("answer")
    await client.event("confirmed")
    await phone.event("CALL_ESTABLISHED")
    await phone.hears(WEB_HZ, LOUD_DBFS)
    await client.hears(PHONE_HZ, LOUD_DBFS)
    await phone.hangup()
    assert (await client.event("ended"))["by"] == "remote"


async def test_texts_go_both_ways(phones: Pair) -> None:
    client, phone = phones
    async with phone.screen() as screen, asyncio.timeout(60):
        client.command("send", target=phone.account.user, text="Grüße über wss")
        while "Grüße über wss" not in (await screen.readuntil(b"\n")).decode():
            continue
    assert (await client.event("delivered"))["status"] == 200
    await phone.write("Grüße zurück")
    received = await client.event("message")
    assert (received["from"], received["text"]) == (phone.account.user, "Grüße zurück")


async def test_a_wrong_password_is_told_over_plain_websocket(
    exchange: ExchangeProcess, numbers: list[str]
) -> None:
    number = numbers.pop()
    url = f"ws://127.0.0.1:{exchange.port('ws')}/"
    async with WebClient(url, f"sip:{number}@{DOMAIN}", "wrong") as client:
        assert (await client.event("registration_failed"))["status"] in {401, 403}


async def test_a_certificate_that_nobody_vouches_for_is_refused_by_the_client(
    exchange: ExchangeProcess, numbers: list[str]
) -> None:
    url = f"wss://localhost:{exchange.port('wss')}/"
    async with WebClient(url, f"sip:{numbers.pop()}@{DOMAIN}", PASSWORD) as client:
        await client.event("disconnected")


@pytest.mark.parametrize("caller", ["client", "phone"])
async def test_a_crash_ends_its_calls_for_the_other_party_too(
    phones: Pair, exchange: ExchangeProcess, caller: str
) -> None:
    client, phone = phones
    if caller == "client":
        client.command("call", target=phone.account.user)
        await phone.event("CALL_INCOMING")
        await phone.accept()
    else:
        await phone.dial(phone.writes_to)
        await client.event("incoming")
        client.command("answer")
    await client.event("confirmed")
    await phone.event("CALL_ESTABLISHED")
    await exchange.has_kept_calls(1)
    (shown,) = await exchange.ask("calls")
    await exchange.crash_and_restart()
    await phone.event("CALL_CLOSED")
    await exchange.no_calls()
    await exchange.has_kept_calls(0)
    records = [row for row in await exchange.ask("records") if row["call"] == shown["call"]]
    assert [(row["status"], row["code"]) for row in records] == [(200, "call.lost_in_crash")] * 2
