"""Commands about sound for the embedded engine: formats, rooms, files in memory, sound for a program."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from trunkline import _native
from trunkline.base.errors import MediaError
from trunkline.media import commands as c

_DONE = c.Done()


def _told(one: c.Format) -> tuple[int, str, int, int, str]:
    return one.payload_type, one.codec, one.clock_hz, one.channels, one.parameters


def _set_formats(native: _native.MediaEngine, command: c.SetFormats) -> c.Done:
    native.set_formats(
        command.port,
        [_told(one) for one in command.receive],
        _told(command.send) if command.send else None,
        _told(command.send_events) if command.send_events else None,
        command.ptime_ms,
    )
    return _DONE


def _play_signal(native: _native.MediaEngine, command: c.PlaySignal) -> c.Done:
    steps = [(step.frequencies_hz, step.duration_ms, step.level_dbov) for step in command.steps]
    native.play_signal(command.port, steps, command.repeat, command.over_link)
    return _DONE


def _listen(native: _native.MediaEngine, command: c.Listen) -> c.Done:
    voice_end_ms = command.voice_end_ms if command.voice else None
    native.listen(command.port, command.keys, voice_end_ms, command.progress, command.machine)
    return _DONE


def _open_room(native: _native.MediaEngine, command: c.OpenRoom) -> c.Done:
    native.open_room(command.room, command.owner, command.rate_hz, command.speakers)
    return _DONE


def _close_room(native: _native.MediaEngine, command: c.CloseRoom) -> c.Done:
    native.close_room(command.room)
    return _DONE


def _join(native: _native.MediaEngine, command: c.Join) -> c.Done:
    native.join(command.port, command.room, command.gain_db, command.muted, command.deaf)
    return _DONE


def _open_audio(native: _native.MediaEngine, command: c.OpenAudio) -> c.AudioOpened:
    return c.AudioOpened(native.open_audio(command.port, command.rate_hz, command.speak))


def _load_sound(native: _native.MediaEngine, command: c.LoadSound) -> c.Done:
    try:
        octets = base64.b64decode(command.data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MediaError(
            f"the data of sound {command.sound} is not base64: {error}", "media.argument"
        ) from None
    native.load_sound(command.sound, octets, command.rate_hz)
    return _DONE


def _drop_sound(native: _native.MediaEngine, command: c.DropSound) -> c.Done:
    native.drop_sound(command.sound)
    return _DONE


HANDLERS: dict[type, Callable[[_native.MediaEngine, Any], Any]] = {
    c.SetFormats: _set_formats,
    c.OpenRoom: _open_room,
    c.CloseRoom: _close_room,
    c.Join: _join,
    c.OpenAudio: _open_audio,
    c.LoadSound: _load_sound,
    c.DropSound: _drop_sound,
    c.PlaySignal: _play_signal,
    c.Listen: _listen,
}
"""What carries out each command."""
