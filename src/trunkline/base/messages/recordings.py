"""Recordings of calls: begun, ended and listed."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.base.message_codec import Message, message
from trunkline.base.messages.request import PAGE, Command, Query


@dataclass(frozen=True, slots=True)
class RecordingRow:
    """A recording in progress; ``file`` is a path on the exchange's machine."""

    id: str
    call: str
    caller: str
    callee: str
    file: str
    started_at: float
    duration_s: float = 0.0


@message("recording.page")
class RecordingList(Message):
    """Recordings, oldest first."""

    rows: tuple[RecordingRow, ...] = ()
    next: str | None = None


@message("recording.list")
class ListRecordings(Query[RecordingList]):
    """Recordings of calls in progress."""

    limit: int = PAGE
    after: str | None = None


@message("recording.started")
class RecordingStarted(Message):
    """The call is recorded from now on."""

    row: RecordingRow


@message("recording.start")
class StartRecording(Command[RecordingStarted]):
    """Record a call into a WAV file.

    ``file``: an absolute path, or one within the folder of recordings; None: one made of date, time and numbers.
    ``mono`` None is what the settings say. Refused with ``call.unknown``, ``recording.no_media``,
    ``recording.running``, ``recording.file``, ``recording.disk_full``, or the engine's own codes
    (``media.codec``, ``media.recording``).
    """

    call: str
    file: str | None = None
    mono: bool | None = None


@message("recording.stopped")
class RecordingStopped(Message):
    """The file is complete."""

    call: str
    file: str
    duration_s: float


@message("recording.stop")
class StopRecording(Command[RecordingStopped]):
    """End the recording of a call; refused with ``call.unknown``, ``recording.none``, or what went wrong meanwhile."""

    call: str
