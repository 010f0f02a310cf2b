"""A browser and two phones in one conference room: each hears the others and not itself, and it is all recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from tests.peers.baresip import Account, Baresip
from tests.peers.browser import BrowserClient
from tests.peers.exchange import DOMAIN, ExchangeProcess, Extension
from tests.peers.tones import read_recording, tone_level_dbfs

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSWORD = "nine-blue-chairs-17"
ROOM = "*6100"
WEB_HZ, PHONE_HZ, OTHER_HZ = 600.0, 1100.0, 1700.0
LOUD_DBFS = -25.0
_SAMPLES_A_SECOND = 16_000
_OCTETS_A_SECOND = 2 * _SAMPLES_A_SECOND


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exchange(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ExchangeProcess]:
    folder = tmp_path_factory.mktemp("exchange")
    extensions = [Extension(f"{number}", PASSWORD) for number in range(401, 404)]
    async with ExchangeProcess(folder, extensions, listen=("udp", "wss")) as running:
        yield running


async def phone(
    stack: AsyncExitStack, exchange: ExchangeProcess, folder: Path, number: str, hz: float
) -> Baresip:
    account = Account(number, PASSWORD, DOMAIN, exchange.address)
    (folder / number).mkdir()
    one = await stack.enter_async_context(Baresip(folder / number, account, hz))
    await one.registered()
    await one.dial(ROOM)
    await one.event("CALL_ESTABLISHED")
    return one


async def test_a_browser_and_phones_meet_and_are_recorded(exchange: ExchangeProcess, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        one = await phone(stack, exchange, tmp_path, "401", PHONE_HZ)
        other = await phone(stack, exchange, tmp_path, "403", OTHER_HZ)
        url = f"wss://localhost:{exchange.port('wss')}/"
        browser = await stack.enter_async_context(
            BrowserClient(url, f"sip:402@{DOMAIN}", PASSWORD, tmp_path, tone_hz=WEB_HZ)
        )
        await browser.event("registered")
        browser.command("call", target=ROOM)
        await browser.event("confirmed")
        for hz in (PHONE_HZ, OTHER_HZ):
            await browser.hears(hz, LOUD_DBFS)
        await one.hears(WEB_HZ, LOUD_DBFS)
        await one.hears(OTHER_HZ, LOUD_DBFS)
        await other.hears(WEB_HZ, LOUD_DBFS)
        await other.hears(PHONE_HZ, LOUD_DBFS)
        await one.hears_nothing_of(PHONE_HZ)
        (room,) = await exchange.ask("conference", "list")
        assert sorted(member["number"] for member in room["members"]) == ["401", "402", "403"]
        recorded = await exchange.ask("conference", "record", "100")
        await _has_grown(Path(recorded["file"]))
        await exchange.run("conference", "record", "100", "--stop")
        member = next(member for member in room["members"] if member["number"] == "403")
        await exchange.run("conference", "mute", "100", member["call"])
        await one.hears_nothing_of(OTHER_HZ)
        await exchange.run("conference", "remove", "100", member["call"])
        await other.event("CALL_CLOSED")
        cut = await exchange.ask("conference", "record", "100")
        await _has_grown(Path(cut["file"]))
        await exchange.has_kept_calls(2)
        await exchange.has_kept(Path(cut["file"]).name)
        await exchange.crash_and_restart()
        await one.event("CALL_CLOSED")
    await _has_ended(exchange, Path(cut["file"]))
    sound = read_recording(Path(recorded["file"]))
    assert {hz for hz in (WEB_HZ, PHONE_HZ, OTHER_HZ) if tone_level_dbfs(sound, hz) > LOUD_DBFS} == {
        WEB_HZ,
        PHONE_HZ,
        OTHER_HZ,
    }
    await exchange.no_calls()
    assert await exchange.ask("conference", "list") == []


async def _has_ended(exchange: ExchangeProcess, file: Path) -> None:
    """What was recorded when the process died can be played, and each who was there has it on record."""
    await exchange.no_calls()
    sound = read_recording(file)
    assert len(sound.samples) >= _SAMPLES_A_SECOND
    assert tone_level_dbfs(sound, PHONE_HZ) > LOUD_DBFS
    records = await exchange.ask("records")
    steps = [step for row in records for step in row["story"]]
    cut = [step["text"] for step in steps if step["data"].get("why") == "recording.crash"]
    assert cut == [f"the exchange crashed: {file} ends there"] * 2
    assert "a recording ended with a crash" in exchange.log()


async def _has_grown(file: Path) -> None:
    """Two seconds of sound at least are in it; the header is written each second."""
    async with asyncio.timeout(60):
        while _size(file) < 2 * _OCTETS_A_SECOND:  # noqa: ASYNC110  (a file tells no event)
            await asyncio.sleep(0.1)


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
