"""Commands about sound for the embedded engine: formats, rooms, files in memory, sound for a program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trunkline import _native
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


HANDLERS: dict[type, Callable[[_native.MediaEngine, Any], Any]] = {
    c.SetFormats: _set_formats,
}
"""What carries out each command."""
