"""The service numbers, called by a real phone."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.interop.conftest import NewPhone
from tests.peers.exchange import (
    ECHO_NUMBER,
    TALK_BACK_NUMBER,
    TIME_NUMBER,
    TONE_NUMBER,
    ExchangeProcess,
)
from tests.peers.programs import program
from tests.peers.tones import Recording, level_dbfs, read_channels, tone_level_dbfs

pytestmark = pytest.mark.asyncio(loop_scope="module")

TONE_HZ = 440.0
BEEP_HZ = 1000.0


async def test_echo_plays_back_what_the_phone_says(new_phone: NewPhone, exchange: ExchangeProcess) -> None:
    phone = await new_phone(700)
    await phone.dial(ECHO_NUMBER)
    await phone.event("CALL_ESTABLISHED")
    await phone.hears_at(700)
    await phone.hangup()
    await exchange.no_calls()


async def test_tone_is_steady_and_alone(new_phone: NewPhone, exchange: ExchangeProcess) -> None:
    phone = await new_phone(1200)
    await phone.dial(TONE_NUMBER)
    await phone.event("CALL_ESTABLISHED")
    await phone.hears(TONE_HZ, above_dbfs=-20, for_s=1.0)
    assert tone_level_dbfs(phone.heard(0.5), 1200) < -50
    await phone.hangup()
    await exchange.no_calls()


async def test_talk_back_says_back_what_the_phone_said(
    new_phone: NewPhone, exchange: ExchangeProcess
) -> None:
    phone = await new_phone(700)
    await phone.dial(TALK_BACK_NUMBER)
    await phone.event("CALL_ESTABLISHED")
    await phone.hears(BEEP_HZ, above_dbfs=-20, for_s=0.1, within=60)
    assert tone_level_dbfs(phone.heard(0.1), 700) < -40
    await phone.hears_nothing_of(BEEP_HZ)
    await asyncio.sleep(1.5)  # what is to be said back
    await phone.send_digits("#")
    await phone.hears(700, above_dbfs=-15)
    await phone.hears(BEEP_HZ, above_dbfs=-20, for_s=0.1, within=60)
    await phone.hangup()
    await exchange.no_calls()


async def test_the_speaking_clock_speaks_and_hangs_up(new_phone: NewPhone, exchange: ExchangeProcess) -> None:
    phone = await new_phone(700)
    await phone.dial(TIME_NUMBER)
    await phone.event("CALL_ESTABLISHED")
    await phone.event("CALL_CLOSED", within=60)
    said = phone.heard(60).samples
    levels = [level_dbfs(Recording(8000, said[at : at + 800])) for at in range(0, len(said) - 799, 800)]
    assert sum(level > -35 for level in levels) >= 8, levels
    await exchange.no_calls()


async def test_a_call_is_recorded_by_command(new_phone: NewPhone, exchange: ExchangeProcess) -> None:
    caller, callee = await new_phone(700), await new_phone(1900)
    await caller.dial(callee.uri)
    await callee.event("CALL_INCOMING")
    await callee.accept()
    await caller.hears(1900)
    (call,) = json.loads(await exchange.run("calls", "--json"))
    row = json.loads(await exchange.run("recording", "start", call["call"], "--json"))
    assert [one["file"] for one in await exchange.ask("recording", "list")] == [row["file"]]
    await asyncio.sleep(1.5)  # what is to be recorded
    done = json.loads(await exchange.run("recording", "stop", call["call"], "--json"))
    assert (done["file"], done["duration_s"] > 1.0) == (row["file"], True)
    left, right = read_channels(Path(done["file"]))
    for recording, there, not_there in ((left, 700, 1900), (right, 1900, 700)):
        assert tone_level_dbfs(recording, there) == pytest.approx(-10, abs=1.5)
        assert tone_level_dbfs(recording, not_there) < -40
    explained = await exchange.run("explain", call["call"])
    assert "call.recording_started" in explained
    assert (await exchange.attempt("recording", "stop", call["call"]))[0] == 1
    await caller.hangup()
    await exchange.no_calls()


async def test_a_call_is_recorded_as_ogg_opus(
    new_phone: NewPhone, exchange: ExchangeProcess, tmp_path: Path
) -> None:
    caller, callee = await new_phone(700), await new_phone(1900)
    await caller.dial(callee.uri)
    await callee.event("CALL_INCOMING")
    await callee.accept()
    await caller.hears(1900)
    (call,) = await exchange.ask("calls")
    await exchange.run("recording", "start", call["call"], "--file", "one.opus")
    await asyncio.sleep(1.5)  # what is to be recorded
    done = await exchange.ask("recording", "stop", call["call"])
    await caller.hangup()
    plain = tmp_path / "plain.wav"
    command = [program("ffmpeg"), "-loglevel", "error", "-i", done["file"], "-c:a", "pcm_s16le", str(plain)]
    assert await (await asyncio.create_subprocess_exec(*command)).wait() == 0
    left, right = read_channels(plain)
    assert left.seconds > 1.0
    for recording, there, not_there in ((left, 700, 1900), (right, 1900, 700)):
        assert tone_level_dbfs(recording, there) > -20
        assert tone_level_dbfs(recording, not_there) < -40
    await exchange.no_calls()
