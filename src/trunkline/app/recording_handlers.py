"""Recordings of calls, begun and ended by an operator."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from trunkline.base.errors import CallFailed, MediaError
from trunkline.base.message_codec import Message
from trunkline.base.messages import (
    ListRecordings,
    RecordingList,
    RecordingRow,
    RecordingStarted,
    RecordingStopped,
    Refused,
    Request,
    StartRecording,
    StopRecording,
)
from trunkline.call.call import Call
from trunkline.call.recording import CallRecording, RecordingLimits
from trunkline.media.events import Recorded, RecordFailed

if TYPE_CHECKING:
    from trunkline.app.exchange import Exchange

log = structlog.get_logger("recording")

FOLDER: Final = "recordings"
_MEGABYTE: Final = 1_000_000
_ODD = re.compile(r"[^A-Za-z0-9+._-]")


class RecordingHandlers:
    """``table`` is for ``ExchangeHandlers``."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._recordings = exchange.recordings
        self.table: dict[type[Request[Any]], Callable[[str, Any], Awaitable[Message]]] = {
            StartRecording: self._start,
            StopRecording: self._stop,
            ListRecordings: self._page,
        }

    async def _start(self, tenant: str, ask: StartRecording) -> Message:
        call = self._call(tenant, ask.call)
        running = self._recordings.of(call)
        if running is not None:
            raise _running(f", into {running.file}")
        settings = self._exchange.settings.recording
        folder = self._exchange.data / FOLDER
        if ask.file is not None:
            file = wanted_file(folder, ask.file)
        else:
            file = await asyncio.to_thread(unused, folder / default_name(call, settings.format))
        keep_free = settings.keep_free_mb * _MEGABYTE
        await asyncio.to_thread(prepare, file, folder, keep_free)
        mono = settings.channels == "mono" if ask.mono is None else ask.mono
        limits = RecordingLimits(settings.max_duration_s, keep_free)
        try:
            recording = await self._recordings.start(call, str(file), "mono" if mono else "stereo", limits)
        except CallFailed as error:
            if error.code == "recording.running":
                raise _running() from None
            raise Refused(error.code, "nobody talks yet: the call is not answered", status=409) from None
        except MediaError as error:
            raise Refused(error.code, str(error), status=409) from None
        log.info("recording", call=call.id, file=str(file))
        return RecordingStarted(row=self._row(recording))

    async def _stop(self, tenant: str, ask: StopRecording) -> Message:
        call = self._call(tenant, ask.call)
        recording = self._recordings.of(call)
        if recording is None:
            raise Refused(
                "recording.none", "the call is not recorded", "trunkline recording list shows which are", 404
            )
        try:
            event = await self._recordings.stop(recording)
        except MediaError as error:
            raise Refused(error.code, str(error), status=504) from None
        if isinstance(event, RecordFailed):
            raise Refused(event.code, event.reason, status=500)
        return RecordingStopped(call=call.id, file=event.file, duration_s=event.duration_ms / 1000)

    async def _page(self, tenant: str, ask: ListRecordings) -> Message:
        rows = [
            self._row(one)
            for one in self._recordings.active.values()
            if one.tenant == tenant and (ask.after is None or one.id > ask.after)
        ]
        rows.sort(key=lambda row: row.id)  # UUIDv7: by their start
        more = rows[ask.limit - 1].id if len(rows) > ask.limit else None
        return RecordingList(rows=tuple(rows[: ask.limit]), next=more)

    def _call(self, tenant: str, named: str) -> Call:
        call = self._exchange.calls.find(tenant, named)
        if call is None:
            raise Refused("call.unknown", f"no call {named[:80]} is up", "trunkline calls lists them", 404)
        return call

    def _row(self, one: CallRecording) -> RecordingRow:
        lasted = self._exchange.wall() - one.began_at
        return RecordingRow(one.id, one.call, one.caller, one.callee, one.file, one.began_at, lasted)


def _running(into: str = "") -> Refused:
    hint = "end it: trunkline recording stop CALL-ID"
    return Refused("recording.running", f"the call is recorded already{into}", hint, 409)


def default_name(call: Call, form: str = "wav") -> str:
    """``2026-11-21/203000-1001-1002-9abcdef.wav``: local date and time, the numbers, the end of the call's id."""
    day, clock = time.strftime("%Y-%m-%d %H%M%S", time.localtime(call.context.wall())).split()
    parties = "-".join(_ODD.sub("_", number)[:40] or "_" for number in (call.caller.number, call.callee))
    return f"{day}/{clock}-{parties}-{call.id[-7:]}.{form}"


def wanted_file(folder: Path, text: str) -> Path:
    """The file that was asked for; Refused unless it is a WAV or Ogg Opus file.

    A relative one is within the folder.
    """
    path = Path(text)
    if path.suffix.lower() not in {".wav", ".opus"} or not text.isprintable():
        raise Refused("recording.file", f"{text[:200]!r} does not end in .wav or .opus", "name it so")
    if ".." in path.parts:
        raise Refused("recording.file", f"{text[:200]} leaves its folder", "name it without ..")
    return path if path.is_absolute() else folder / path


def unused(file: Path) -> Path:
    """This file, or ``one-2.wav`` after ``one.wav``: a call may be recorded anew within the same second."""
    number, made = 1, file
    while made.exists() or made.is_symlink():
        number += 1
        made = file.with_stem(f"{file.stem}-{number}")
    return made


def prepare(file: Path, folder: Path, keep_free: int) -> None:
    """Make the folders of a recording, for their owner alone; Refused when a file could not be made there."""
    inside = file.is_relative_to(folder)
    try:
        if inside:
            for parent in reversed([file.parent, *(p for p in file.parents if p.is_relative_to(folder))]):
                parent.mkdir(mode=0o700, exist_ok=True)
        if not file.parent.is_dir():
            raise Refused("recording.file", f"there is no folder {file.parent}", "make it first")
        if file.exists() or file.is_symlink():
            raise Refused("recording.file", f"{file} is there already", "name another one", 409)
        free = shutil.disk_usage(file.parent).free
    except OSError as error:
        raise Refused("recording.file", f"{file}: {error.strerror}", "choose another place") from None
    if free < keep_free:
        raise Refused(
            "recording.disk_full",
            f"{free // _MEGABYTE} MB are free, and [recording] keep_free_mb keeps {keep_free // _MEGABYTE}",
            "delete old recordings",
            507,
        )


def log_over(recording: CallRecording, event: Recorded | RecordFailed) -> None:
    """A line in the log for each recording that has ended."""
    seconds = event.duration_ms / 1000
    if isinstance(event, RecordFailed):
        log.warning(
            "recording failed", call=recording.call, file=event.file, code=event.code, why=event.reason
        )
    else:
        missing = {"missing": event.missing} if event.missing else {}
        log.info(
            "recorded", call=recording.call, file=event.file, seconds=seconds, ended=event.ended, **missing
        )
