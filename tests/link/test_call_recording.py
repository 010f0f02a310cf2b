"""Recordings of whole calls, with a fake media engine."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.crash import Keeping
from tests.link.phones import Party
from tests.link.stage import Stage
from tests.link.talking import talking
from tests.link.transferring import refer, three
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


@virtual
async def test_a_call_is_recorded_once_at_a_time() -> None:
    stage = Stage()
    stage.engine.delay_s = 0.01
    book = Book(stage)
    alice, _ = await talking(stage)
    call = stage.calls.all[0]
    wanted = (book.recordings.start(call, file, "stereo", LIMITS) for file in ("one.wav", "two.wav"))
    one, two = await asyncio.gather(*wanted, return_exceptions=True)
    assert isinstance(one, CallRecording)
    assert isinstance(two, CallFailed)
    assert two.code == "recording.running"
    assert len(stage.engine.recording) == 1
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_what_is_missing_in_a_recording_is_told() -> None:
    stage = Stage()
    _book, recording, alice = await recorded_call(stage)
    command = stage.engine.recording.pop(recording.id)
    owner = stage.calls.all[0].id
    stage.engine.tell(Recorded(owner, command.port, recording.id, "call.wav", 3000, 2000, "duration", 12))
    (told,) = [one.text for one in stage.calls.all[0].story.steps if one.code == "call.recording_stopped"]
    assert told == "3.0 s were recorded, duration; 12 packets are missing"
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_after_a_transfer_the_new_party_is_recorded_in_another_file() -> None:
    stage, alice, bob, carol = await three()
    book = Book(stage)
    await book.recordings.start(stage.calls.all[0], "call.wav", "stereo", LIMITS)
    await refer(bob, "1003")
    await carol.until("acknowledged")
    await asyncio.sleep(1)
    (call,) = stage.calls.active.values()
    assert call.bridge is not None
    (command,) = stage.engine.recording.values()
    ports = [leg.media.ports[0] for leg in (call.bridge.a, call.bridge.b)]
    assert (command.file, [command.port, command.other]) == ("call.2.wav", ports)
    (recording,) = book.recordings.active.values()
    await book.recordings.stop(recording)
    await asyncio.sleep(1)
    assert not book.recordings.active
    alice.dialogue.hang_up()
    await stage.settle()


@virtual
async def test_a_part_does_not_fail_because_a_file_of_its_name_is_there() -> None:
    stage, alice, bob, carol = await three()
    book = Book(stage)
    await book.recordings.start(stage.calls.all[0], "call.wav", "stereo", LIMITS)
    await refer(bob, "1003")
    await carol.until("acknowledged")
    for number in (2, 3):
        await asyncio.sleep(1)
        ((key, command),) = stage.engine.recording.items()
        assert command.file == f"call.{number}.wav"
        owner = stage.calls.all[0].id
        del stage.engine.recording[key]
        stage.engine.tell(
            RecordFailed(
                owner, command.port, key, command.file, 0, "media.file_exists", "it is there already"
            )
        )
    await asyncio.sleep(1)
    (recording,) = book.recordings.active.values()
    assert recording.file == "call.4.wav"
    assert "call.recording_failed" not in [step.code for step in stage.calls.all[0].story.steps]
    await book.recordings.stop(recording)
    alice.dialogue.hang_up()
    await stage.settle()


# After a crash


async def crashed(stage: Stage, limits: RecordingLimits = LIMITS) -> tuple[Keeping, Book]:
    """The exchange after a crash in a call that was recorded, and its recordings."""
    keeping = Keeping(stage)
    alice, _ = await talking(stage)
    await Book(stage).recordings.start(stage.calls.all[0], "/rec/call.wav", "mono", limits)
    await keeping.after(4)
    keeping = await keeping.crash()
    book = Book(keeping.stage)
    book.recordings.resume(keeping.stage.calls.active.values())
    await asyncio.sleep(0.1)
    assert alice is keeping.stage.parties[0]
    return keeping, book


@virtual
async def test_after_a_crash_the_recording_goes_on_in_another_file() -> None:
    keeping, book = await crashed(Stage())
    stage = keeping.stage
    (command,) = stage.engine.recording.values()
    assert (command.file, command.channels, command.keep_free_bytes) == ("/rec/call.2.wav", "mono", 1000)
    assert 3590 < command.max_duration_s < 3596
    (call,) = stage.calls.active.values()
    told = [(step.code, step.text) for step in call.story.steps if step.code.startswith("call.recording")]
    assert told == [
        ("call.recording_started", "the call is recorded into /rec/call.wav"),
        ("call.recording_failed", "the exchange crashed: /rec/call.wav ends there"),
        ("call.recording_started", "the call is recorded on into /rec/call.2.wav"),
    ]
    await keeping.after(2)
    keeping = await keeping.crash()
    book = Book(keeping.stage)
    book.recordings.resume(keeping.stage.calls.active.values())
    await asyncio.sleep(0.1)
    assert [one.file for one in book.recordings.active.values()] == ["/rec/call.3.wav"]
    keeping.stage.parties[0].dialogue.hang_up()
    await keeping.stage.settle()


@virtual
async def test_after_a_crash_it_goes_on_though_the_caller_has_left_by_a_transfer() -> None:
    stage, alice, bob, carol = await three()
    keeping = Keeping(stage)
    await refer(alice, "1003")
    await carol.until("acknowledged")
    await alice.until("ended bye")
    await Book(stage).recordings.start(stage.calls.all[0], "/rec/call.wav", "mono", LIMITS)
    await keeping.after(4)
    keeping = await keeping.crash()
    book = Book(keeping.stage)
    book.recordings.resume(keeping.stage.calls.active.values())
    await asyncio.sleep(0.1)
    assert [one.file for one in book.recordings.active.values()] == ["/rec/call.2.wav"]
    bob.dialogue.hang_up()
    await keeping.stage.settle()


@virtual
async def test_what_was_ended_before_the_crash_does_not_begin_again() -> None:
    stage = Stage()
    keeping = Keeping(stage)
    book, recording, _alice = await recorded_call(stage)
    await keeping.after(4)
    await book.recordings.stop(recording)
    await keeping.after(1)
    keeping = await keeping.crash()
    book = Book(keeping.stage)
    book.recordings.resume(keeping.stage.calls.active.values())
    await asyncio.sleep(0.1)
    assert not book.recordings.active
    keeping.stage.parties[0].dialogue.hang_up()
    await keeping.stage.settle()


@virtual
async def test_its_limit_is_that_of_all_parts() -> None:
    keeping, book = await crashed(Stage(), RecordingLimits(4.2, 0))
    assert not book.recordings.active
    keeping.stage.parties[0].dialogue.hang_up()
    await keeping.stage.settle()


@virtual
async def test_a_recording_that_cannot_go_on_is_told() -> None:
    stage = Stage()
    keeping = Keeping(stage)
    await talking(stage)
    await Book(stage).recordings.start(stage.calls.all[0], "call.wav", "mono", LIMITS)
    await keeping.after(4)
    keeping = await keeping.crash()
    stage = keeping.stage
    stage.engine.fault = lambda told: isinstance(told, Record)
    Book(stage).recordings.resume(stage.calls.active.values())
    await asyncio.sleep(0.1)
    (call,) = stage.calls.active.values()
    assert [step.code for step in call.story.steps].count("call.recording_failed") == 2
    assert call.recording is None
    stage.parties[0].dialogue.hang_up()
    await stage.settle()
