"""Prompts, recordings and keys of calls that the exchange answers itself, with a fake media engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.link.phones import Party, describe
from tests.link.stage import Stage
from tests.link.virtual_time import virtual
from trunkline.base.errors import LocalProtocolError, MediaError
from trunkline.call.call import Call, Script
from trunkline.media.commands import Play, Record, StopPlay, StopRecord
from trunkline.media.events import Recorded


def names(play: Play) -> list[str]:
    return [Path(file).stem for file in play.files]


def told(stage: Stage, kind: type) -> list[object]:
    return [command for command in stage.engine.commands if isinstance(command, kind)]


def port_of(stage: Stage) -> str:
    return next(iter(stage.engine.owners))


def dial_script(stage: Stage, script: Script) -> Party:
    """A caller of a number with this script."""
    alice = stage.party()
    stage.extension("7000", "sip:unused@10.9.9.9")
    stage.door.scripts["7000"] = script
    stage.dial(alice, "7000")
    return alice


@virtual
async def test_the_speaking_clock_says_the_time_and_hangs_up() -> None:
    stage = Stage()
    alice = stage.party()
    stage.dial(alice, "9195")
    await alice.until("ended bye")
    said = [names(play) for play in stage.engine.played]
    assert [words[0] for words in said] == ["the-time-is"] * 3 + ["goodbye"]
    assert all(word in {"oh", "hundred-hours"} or word.startswith("number-") for word in said[0][1:])
    await stage.settle()
    assert stage.outcome("in") == [(200, "call.hangup", "exchange")]


@virtual
async def test_talk_back_records_plays_it_and_offers_it_again() -> None:
    stage = Stage()
    alice = stage.party()
    stage.dial(alice, "9198")
    await alice.until("answered")
    await asyncio.sleep(2.5)
    (record,) = stage.engine.recording.values()
    assert (record.max_duration_s, record.silence_s) == (10.0, 2.0)
    stage.engine.press(port_of(stage), "#")
    await asyncio.sleep(0.5)
    assert [names(play)[0] for play in stage.engine.played] == ["talk-back", "beep", "you-said"]
    assert stage.engine.played[2].files[1] == record.file
    await asyncio.sleep(2)
    assert names(stage.engine.played[-1]) == ["talk-back"]
    alice.dialogue.hang_up()
    await stage.settle()
    assert stage.outcome("in") == [(200, "call.hangup", "caller")]
    assert "call.recorded" in stage.story
    assert not stage.engine.recording


@virtual
async def test_a_key_ends_a_prompt_when_the_script_lets_it() -> None:
    stage = Stage()
    keys: list[str] = []

    async def script(call: Call) -> None:
        await call.answer()
        keys.append(await call.play("welcome", "please-wait", keys="12"))
        keys.append(await call.play("goodbye"))
        keys.append(await call.key(5.0))
        keys.append(await call.key(5.0))

    alice = dial_script(stage, script)
    await alice.until("answered")
    await asyncio.sleep(0.5)
    for key in "921":
        stage.engine.press(port_of(stage), key)
    await asyncio.sleep(0.5)
    assert [names(play) for play in stage.engine.played] == [["welcome", "please-wait"], ["goodbye"]]
    assert len(told(stage, StopPlay)) == 1
    await alice.until("ended bye")
    await stage.settle()
    # 9 ends nothing and waits to be asked for, and so does 1, which came after the end.
    assert keys == ["2", "", "9", "1"]


@virtual
async def test_a_key_typed_ahead_spares_the_prompt() -> None:
    stage = Stage()
    keys: list[str] = []

    async def script(call: Call) -> None:
        await call.answer()
        await call.play("welcome")
        keys.append(await call.play("please-wait", keys="123"))
        keys.append(await call.key(1.0))

    alice = dial_script(stage, script)
    await alice.until("answered")
    await asyncio.sleep(0.5)
    stage.engine.press(port_of(stage), "3")
    await alice.until("ended bye")
    await stage.settle()
    assert keys == ["3", ""]
    assert [names(play) for play in stage.engine.played] == [["welcome"]]


@virtual
async def test_a_recording_is_returned_and_can_be_stopped() -> None:
    stage = Stage()
    heard: list[Recorded] = []

    async def script(call: Call) -> None:
        await call.answer()
        stage.loop.call_later(3.0, lambda: call.context.spawn(call.record_stop()))
        heard.append(await call.record(Path("one.wav"), keys=""))
        heard.append(await call.record(Path("two.wav"), max_duration_s=4.0))

    alice = dial_script(stage, script)
    await alice.until("ended bye")
    await stage.settle()
    assert [(event.file, event.ended) for event in heard] == [("one.wav", "stopped"), ("two.wav", "duration")]
    assert len(told(stage, Record)) == 2


@virtual
async def test_what_cannot_be_played_or_recorded_is_raised() -> None:
    stage = Stage()
    stage.engine.bad_files = {"gone.wav", "full.wav"}
    errors: list[str] = []

    async def script(call: Call) -> None:
        with pytest.raises(LocalProtocolError):
            await call.play("welcome")
        await call.answer()
        for attempt in (
            call.play("no-such-prompt"),
            call.play(Path("gone.wav")),
            call.record(Path("full.wav")),
        ):
            with pytest.raises(MediaError) as refusal:
                await attempt
            errors.append(refusal.value.code)

    alice = dial_script(stage, script)
    await alice.until("ended bye")
    await stage.settle()
    assert errors == ["media.unknown_prompt", "media.file_unreadable", "media.disk_full"]


@virtual
async def test_neither_a_hold_nor_another_codec_begins_a_prompt_again() -> None:
    stage = Stage()
    stage.engine.play_s = 60.0
    ended: list[str] = []

    async def script(call: Call) -> None:
        await call.answer()
        ended.append(await call.play("welcome"))

    alice = dial_script(stage, script)
    await alice.until("answered")
    await asyncio.sleep(1)
    await alice.reoffer(describe(alice.host, "a=sendonly", version=2))
    await alice.reoffer(describe(alice.host, version=3))
    assert len(stage.engine.played) == 1
    other = describe(alice.host, version=4).replace(b"RTP/AVP 0 8 101", b"RTP/AVP 8 101")
    assert (await alice.reoffer(other))[0] == 200
    assert len(stage.engine.played) == 1
    (formats,) = stage.engine.formats.values()
    assert formats.send is not None
    assert formats.send.codec == "PCMA"
    assert not ended
    await alice.until("ended bye")
    await stage.settle()
    assert ended == [""]


@virtual
async def test_a_prompt_waits_for_the_answer_to_our_offer() -> None:
    stage = Stage()
    alice = stage.party()
    stage.dial(alice, "9198", b"")
    await alice.until("answered")
    await asyncio.sleep(0.2)
    assert not stage.engine.played
    session = alice.session
    session.acknowledge(describe(alice.host))  # type: ignore[union-attr]
    await asyncio.sleep(0.2)
    assert names(stage.engine.played[0]) == ["talk-back"]
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_an_exchange_without_prompts_ends_the_service() -> None:
    stage = Stage()
    alice = stage.party()
    stage.context.sounds.__dict__["prompts"] = {}
    stage.dial(alice, "9195")
    await alice.until("ended bye")
    await stage.settle()
    assert stage.outcome("in") == [(200, "media.unknown_prompt", "exchange")]


@virtual
async def test_a_script_that_gives_up_ends_what_is_played_and_recorded() -> None:
    stage = Stage()
    stage.engine.play_s = 600.0

    async def script(call: Call) -> None:
        await call.answer()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await call.play("welcome")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await call.record(Path("one.wav"), max_duration_s=1000)

    alice = dial_script(stage, script)
    await alice.until("ended bye")
    await stage.settle()
    assert len(told(stage, StopPlay)) == 1
    assert len(told(stage, StopRecord)) == 1
