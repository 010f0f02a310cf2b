"""Recordings of whole calls, with a fake media engine."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.phones import Party
from tests.link.stage import Stage
from tests.link.talking import talking
from tests.link.virtual_time import virtual
from trunkline.base.errors import CallFailed, MediaError
from trunkline.call.recording import CallRecording, CallRecordings, RecordingLimits
from trunkline.media.commands import Record
from trunkline.media.events import Recorded, RecordFailed

LIMITS = RecordingLimits(3600.0, 1000)


class Book:
    """Recordings of a stage, and how each ended."""

    def __init__(self, stage: Stage) -> None:
        self.ended: list[tuple[CallRecording, Recorded | RecordFailed]] = []
        self.recordings = CallRecordings(
            stage.engine, stage.calls, stage.wall, lambda one, event: self.ended.append((one, event))
        )
        self.recordings.listen()


async def recorded_call(stage: Stage, file: str = "call.wav") -> tuple[Book, CallRecording, Party]:
    book = Book(stage)
    alice, _ = await talking(stage)
    recording = await book.recordings.start(stage.calls.all[0], file, "stereo", LIMITS)
    return book, recording, alice


@virtual
async def test_a_call_is_recorded_with_both_parties() -> None:
    stage = Stage()
    book, recording, alice = await recorded_call(stage)
    call = stage.calls.all[0]
    (command,) = stage.engine.recording.values()
    assert command == Record(
        call.legs[0].media.ports[0] or "", recording.id, "call.wav", call.legs[1].media.ports[0] or "",
        "stereo", 3600.0, keep_free_bytes=1000,
    )  # fmt: skip
    assert book.recordings.of(call) is recording
    event = await book.recordings.stop(recording)
    assert isinstance(event, Recorded)
    assert book.recordings.of(call) is None
    alice.dialogue.hang_up()
    await stage.settle()
    assert [code for code in stage.story if code.startswith("call.record")] == [
        "call.recording_started",
        "call.recording_stopped",
    ]


@virtual
async def test_the_end_of_the_call_ends_its_recording() -> None:
    stage = Stage()
    book, recording, alice = await recorded_call(stage)
    alice.dialogue.hang_up()
    await stage.settle()
    assert [(one.id, event.kind) for one, event in book.ended] == [(recording.id, "recorded")]
    assert not book.recordings.active


@virtual
async def test_a_recording_that_fails_is_told_and_the_call_goes_on() -> None:
    stage = Stage()
    stage.engine.bad_files.add("full.wav")
    book, _, alice = await recorded_call(stage, "full.wav")
    await asyncio.sleep(1)
    assert [event.kind for _, event in book.ended] == ["record_failed"]
    assert not book.recordings.active
    alice.dialogue.hang_up()
    await stage.settle()
    assert "call.recording_failed" in stage.story
    assert stage.outcome("in") == [(200, "call.hangup", "caller")]


@virtual
async def test_a_service_is_recorded_with_what_it_says() -> None:
    stage = Stage()
    book = Book(stage)
    alice = stage.party()
    stage.dial(alice, "9197")
    await alice.until("answered")
    await book.recordings.start(stage.calls.all[0], "call.wav", "stereo", LIMITS)
    (command,) = stage.engine.recording.values()
    assert (command.other, command.channels) == ("", "stereo")
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_call_that_rings_has_nothing_to_record() -> None:
    stage = Stage()
    book = Book(stage)
    alice = stage.party()
    stage.party(answers=False)
    stage.dial(alice, "1002")
    await asyncio.sleep(1)
    with pytest.raises(CallFailed) as refusal:
        await book.recordings.start(stage.calls.all[0], "call.wav", "stereo", LIMITS)
    assert refusal.value.code == "recording.no_media"
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_what_the_engine_refuses_leaves_nothing_behind() -> None:
    stage = Stage()
    stage.engine.fault = lambda told: isinstance(told, Record)
    book = Book(stage)
    alice, _ = await talking(stage)
    with pytest.raises(MediaError):
        await book.recordings.start(stage.calls.all[0], "call.wav", "stereo", LIMITS)
    assert not book.recordings.active
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_disk_that_does_not_finish_is_told() -> None:
    stage = Stage()
    book, recording, alice = await recorded_call(stage)
    stage.engine.end_recording = lambda *_args: None  # type: ignore[method-assign]
    with pytest.raises(MediaError, match="is not complete yet") as refusal:
        await book.recordings.stop(recording)
    assert refusal.value.code == "recording.slow_disk"
    alice.dialogue.hang_up()
    await stage.settle()
