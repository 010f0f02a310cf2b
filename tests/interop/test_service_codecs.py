"""The service numbers in each codec: phones that have only the one, and a browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.peers.baresip import Account, Baresip
from tests.peers.browser import BrowserClient
from tests.peers.exchange import (
    DOMAIN,
    ECHO_NUMBER,
    TALK_BACK_NUMBER,
    TIME_NUMBER,
    TONE_NUMBER,
    ExchangeProcess,
    Extension,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSWORD = "nine-blue-chairs-17"
WEB_HZ, PHONE_HZ, TONE_HZ, BEEP_HZ = 600.0, 700.0, 440.0, 1000.0
LOUD_DBFS = -25.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exchange(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ExchangeProcess]:
    folder = tmp_path_factory.mktemp("exchange")
    extensions = [Extension(f"{number}", PASSWORD) for number in range(401, 404)]
    async with ExchangeProcess(folder, extensions, listen=("udp", "wss")) as running:
        yield running


@pytest.mark.parametrize(
    ("codec", "media"),
    [
        ("opus/48000/2", ""),
        ("opus/48000/2", "srtp-mand"),
        ("G722/16000/1", "srtp-mand"),
        ("PCMA/8000/1", ""),
    ],
)
async def test_a_phone_speaks_and_hears_in_the_codec_that_it_has(
    exchange: ExchangeProcess, tmp_path: Path, codec: str, media: str
) -> None:
    account = Account("401", PASSWORD, DOMAIN, exchange.address, media=media, codecs=(codec,))
    async with Baresip(tmp_path, account, PHONE_HZ) as phone:
        await phone.registered()
        await phone.dial(TONE_NUMBER)
        await phone.event("CALL_ESTABLISHED")
        await phone.hears(TONE_HZ, LOUD_DBFS)
        await phone.hangup()
        await phone.dial(ECHO_NUMBER)
        await phone.event("CALL_ESTABLISHED")
        await phone.hears(PHONE_HZ, LOUD_DBFS)
        await phone.hangup()
        await phone.dial(TALK_BACK_NUMBER)
        await phone.event("CALL_ESTABLISHED")
        await phone.hears(BEEP_HZ, above_dbfs=LOUD_DBFS, for_s=0.1, within=60)
        await phone.hears_nothing_of(BEEP_HZ)
        await asyncio.sleep(1.0)  # what is to be said back
        await phone.send_digits("#")
        await phone.hears(PHONE_HZ, above_dbfs=LOUD_DBFS)
        await phone.hangup()
        await exchange.no_calls()


async def test_a_browser_hears_the_service_numbers(exchange: ExchangeProcess, tmp_path: Path) -> None:
    url = f"wss://localhost:{exchange.port('wss')}/"
    async with BrowserClient(url, f"sip:402@{DOMAIN}", PASSWORD, tmp_path, tone_hz=WEB_HZ) as browser:
        await browser.event("registered")
        for number, hz in ((TONE_NUMBER, TONE_HZ), (ECHO_NUMBER, WEB_HZ)):
            browser.command("call", target=number)
            await browser.event("confirmed")
            await browser.hears(hz, LOUD_DBFS)
            browser.command("hangup")
            await browser.event("ended")
        browser.command("call", target=TIME_NUMBER)
        await browser.event("confirmed")
        assert (await browser.event("ended", within=60))["by"] == "remote"
        await exchange.no_calls()
