"""Recordings of whole calls: begun and ended from outside, told in the call's story."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from trunkline.base.errors import CallFailed, MediaError
from trunkline.base.ids import uuid7
from trunkline.call.call import Call
from trunkline.call.kept_recording import KeptRecording
from trunkline.call.registry import Calls
from trunkline.media.commands import Channels, Record, StopRecord
from trunkline.media.engine import MediaEngine
from trunkline.media.events import MediaEvent, Recorded, RecordFailed

_MOST_PARTS: Final = 99  # their names are tried, where files of an earlier recording are
_COMPLETE_S: Final = 5.0  # how long a file may take to be complete after its end was asked for


@dataclass(slots=True)
class CallRecording:
    """A recording in progress. ``file`` is a path; ``began_at`` wall-clock seconds."""

    id: str
    call: str
    tenant: str
    caller: str
    callee: str
    file: str
    began_at: float
    kept: KeptRecording
    over: asyncio.Future[Recorded | RecordFailed] = field(repr=False)


@dataclass(frozen=True, slots=True)
class RecordingLimits:
    """``max_duration_s`` of one recording, and the octets that shall stay free on the disk."""

    max_duration_s: float = 14_400.0
    keep_free_bytes: int = 0


class CallRecordings:
    """The recordings of calls in progress, one of a call at most. ``on_over`` is told how each ended."""

    def __init__(
        self,
        engine: MediaEngine,
        calls: Calls,
        wall: Callable[[], float],
        on_over: Callable[[CallRecording, Recorded | RecordFailed], None] = lambda _recording, _event: None,
    ) -> None:
        self._engine = engine
        self._calls = calls
        self._wall = wall
        self._on_over = on_over
        self.active: dict[str, CallRecording] = {}

    def listen(self) -> Callable[[], None]:
        """Hear the engine's events from now on; returns the end of that."""
        return self._engine.subscribe(self._on_event)

    def of(self, call: Call) -> CallRecording | None:
        """The recording of a call."""
        return next((one for one in self.active.values() if one.call == call.id), None)

    async def start(
        self, call: Call, file: str, channels: Channels, limits: RecordingLimits
    ) -> CallRecording:
        """Record a call from now on: the caller left, the other party, or what we play, right.

        The codecs of parties that only are relayed are named to the engine first.
        Raises CallFailed ``recording.no_media`` before the call is answered, ``recording.running`` when it is recorded
        already, MediaError as ``Record`` says.
        """
        until = self._wall() + limits.max_duration_s
        kept = KeptRecording(file, channels, until, limits.keep_free_bytes)
        return await self._record(call, kept, limits.max_duration_s)

    def resume(self, calls: Iterable[Call]) -> None:
        """Go on recording calls that outlived a crash, each in another file; their stories tell what cannot be."""
        for call in calls:
            kept = call.recording
            if kept is not None:
                _keep(call, None)
                if not all(leg.done for leg in call.legs):  # the caller may have left by a transfer
                    call.context.spawn(self._go_on(call, kept.next()))

    async def _go_on(self, call: Call, kept: KeptRecording) -> None:
        try:
            left_s = kept.until - self._wall()
            if left_s > 0:
                await self._record(call, kept, left_s)
        except (CallFailed, MediaError) as error:
            call.tell("call.recording_failed", f"it is recorded no more: {error}", why=error.code)

    async def _record(self, call: Call, kept: KeptRecording, longest_s: float) -> CallRecording:
        port, other = _ports(call)
        for leg in (call.bridge.a, call.bridge.b) if call.bridge is not None else ():
            await leg.media.name_codecs()
        if self.of(call) is not None:  # begun while the codecs were named
            raise CallFailed(409, "Recorded Already", None, "recording.running")
        file = kept.path
        recording = CallRecording(
            uuid7(),
            call.id,
            call.tenant,
            call.caller.number,
            call.callee,
            file,
            self._wall(),
            kept,
            asyncio.get_running_loop().create_future(),
        )
        self.active[recording.id] = recording
        keep_free = kept.keep_free_bytes
        try:
            await self._engine.execute(
                Record(port, recording.id, file, other, kept.channels, longest_s, keep_free_bytes=keep_free)
            )
        except MediaError:
            del self.active[recording.id]
            raise
        if recording.id in self.active:
            _keep(call, kept)
        again = " on" if kept.part > 1 else ""
        call.tell("call.recording_started", f"the call is recorded{again} into {file}")
        return recording

    async def stop(self, recording: CallRecording) -> Recorded | RecordFailed:
        """End a recording; returns when its file is complete. Raises MediaError when that takes too long."""
        call = self._calls.active.get(recording.call)
        if call is not None:
            _keep(call, None)  # whatever ends it first, it does not go on
        await self._engine.execute(StopRecord(recording.id))
        try:
            async with asyncio.timeout(_COMPLETE_S):
                return await asyncio.shield(recording.over)
        except TimeoutError:
            text = f"{recording.file} is not complete yet: the disk is slow"
            raise MediaError(text, "recording.slow_disk") from None

    def _on_event(self, event: MediaEvent) -> None:
        if not isinstance(event, Recorded | RecordFailed):
            return
        recording = self.active.pop(event.recording, None)
        if recording is None:
            return
        recording.over.set_result(event)
        call = self._calls.active.get(recording.call)
        if call is not None:
            kept = call.recording
            _keep(call, None)
            if _is_taken(recording.kept, event):
                call.context.spawn(self._go_on(call, recording.kept.next()))
            else:
                _tell(call, event)
            if kept is not None and isinstance(event, Recorded) and event.ended == "closed" and _talks(call):
                # A party has left, and another one is in its place (transfer).
                call.context.spawn(self._go_on(call, kept.next()))
        self._on_over(recording, event)


def _keep(call: Call, kept: KeptRecording | None) -> None:
    call.recording = kept
    call.changes += 1


def _is_taken(kept: KeptRecording, event: Recorded | RecordFailed) -> bool:
    """Whether there is a file of that name already, which nobody has chosen: the next part's name may be free."""
    exists = isinstance(event, RecordFailed) and event.code == "media.file_exists"
    return exists and 1 < kept.part < _MOST_PARTS


def _talks(call: Call) -> bool:
    bridge = call.bridge
    return bridge is not None and not (bridge.a.done or bridge.b.done)


def _tell(call: Call, event: Recorded | RecordFailed) -> None:
    if isinstance(event, RecordFailed):
        call.tell("call.recording_failed", event.reason, why=event.code)
    else:
        missing = f"; {event.missing} packets are missing" if event.missing else ""
        text = f"{event.duration_ms / 1000:.1f} s were recorded, {event.ended}{missing}"
        call.tell("call.recording_stopped", text)


def _ports(call: Call) -> tuple[str, str]:
    """The port of the caller, and that of the party it talks to, if that is not the exchange."""
    if call.bridge is not None:
        pairs = zip(call.bridge.a.media.ports, call.bridge.b.media.ports, strict=False)
        for port, other in pairs:
            if port is not None and other is not None:
                return port, other
    elif call.service is not None and call.service.port:
        return call.service.port, ""
    raise CallFailed(409, "No Media", None, "recording.no_media")
