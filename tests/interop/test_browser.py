"""A browser's WebRTC phone over wss: it registers, calls a UDP phone and is called by it, and both tones are heard."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.peers.baresip import Account, Baresip
from tests.peers.browser import BrowserClient
from tests.peers.exchange import DOMAIN, ExchangeProcess, Extension
from tests.peers.linphone import Linphone

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.rule("T-24"),
    pytest.mark.rfc("8827", "6.5"),
]

PASSWORD = "nine-blue-chairs-17"
WEB_HZ, PHONE_HZ, MIDDLE_HZ = 600.0, 1100.0, 850.0
LOUD_DBFS = -25.0

Pair = tuple[BrowserClient, Baresip]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exchange(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ExchangeProcess]:
    folder = tmp_path_factory.mktemp("exchange")
    extensions = [Extension(f"{number}", PASSWORD) for number in range(401, 411)]
    async with ExchangeProcess(folder, extensions, listen=("udp", "wss")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def phones(exchange: ExchangeProcess, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """A browser over wss and a baresip over UDP, registered."""
    folder = tmp_path_factory.mktemp("phones")
    account = Account("401", PASSWORD, DOMAIN, exchange.address)
    url = f"wss://localhost:{exchange.port('wss')}/"
    async with (
        Baresip(folder, account, PHONE_HZ, writes_to="402") as phone,
        BrowserClient(url, f"sip:402@{DOMAIN}", PASSWORD, folder, tone_hz=WEB_HZ) as browser,
    ):
        await phone.registered()
        await browser.event("registered")
        yield browser, phone
        with contextlib.suppress(AssertionError):
            await phone.hangup()


async def test_the_browser_calls_and_hangs_up(phones: Pair) -> None:
    browser, phone = phones
    browser.command("call", target=phone.account.user)
    await phone.event("CALL_INCOMING")
    await phone.accept()
    await browser.event("confirmed")
    await phone.hears(WEB_HZ, LOUD_DBFS)
    await browser.hears(PHONE_HZ, LOUD_DBFS)
    browser.command("hangup")
    await phone.event("CALL_CLOSED")
    assert (await browser.event("ended"))["by"] == "local"


async def test_the_browser_is_called_and_holds_and_is_hung_up_on(phones: Pair) -> None:
    browser, phone = phones
    await phone.dial(phone.writes_to)
    assert (await browser.event("incoming"))["from"] == phone.account.user
    browser.command("answer")
    await browser.event("confirmed")
    await phone.hears(WEB_HZ, LOUD_DBFS)
    await browser.hears(PHONE_HZ, LOUD_DBFS)
    browser.command("hold")
    await browser.event("held")
    await phone.hears_nothing_of(WEB_HZ)
    browser.command("unhold")
    await browser.event("resumed")
    browser.command("forget")
    await browser.hears(PHONE_HZ, LOUD_DBFS)
    await phone.hangup()
    assert (await browser.event("ended"))["by"] == "remote"


@pytest.mark.rule("T-37")
@pytest.mark.rfc("8842", "5.1")
async def test_the_browser_is_joined_with_the_phone_by_who_called_both(
    phones: Pair, exchange: ExchangeProcess, tmp_path: Path
) -> None:
    browser, phone = phones
    account = Account("403", PASSWORD, DOMAIN, exchange.address, "udp")
    async with Linphone(tmp_path, account, MIDDLE_HZ) as middle:
        await middle.registered()
        middle.command(f"call sip:{phone.account.user}@{DOMAIN}")
        await phone.event("CALL_INCOMING")
        await phone.accept()
        await phone.hears(MIDDLE_HZ, LOUD_DBFS)
        middle.command("pause")  # or it refuses to call
        await middle.said("[Pp]aused")
        browser.command("forget")
        middle.command(f"call sip:402@{DOMAIN}")
        await browser.event("incoming")
        browser.command("answer")
        await browser.event("confirmed")
        await browser.hears(MIDDLE_HZ, LOUD_DBFS)
        middle.command("transfer 1 --to-call 2")
        await phone.hears(WEB_HZ, LOUD_DBFS)
        browser.command("forget")
        await browser.hears(PHONE_HZ, LOUD_DBFS)
        browser.command("hangup")
        await phone.event("CALL_CLOSED")
        await browser.event("ended")
    await exchange.no_calls()
