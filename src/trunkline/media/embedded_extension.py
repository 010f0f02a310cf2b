"""RTP header extensions, as the compiled engine takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trunkline import _native
from trunkline.base.errors import MediaError
from trunkline.media import commands as c


def _set_extension(native: _native.MediaEngine, command: c.SetExtension) -> c.Done:
    try:
        data = bytes.fromhex(command.data)
    except ValueError:
        raise MediaError(
            f"the value of a header extension is hexadecimal, got {command.data!r}", "media.argument"
        ) from None
    native.set_extension(
        command.port,
        command.id,
        command.profile,
        data,
        command.period_ms,
        command.payload_type,
        command.timeout_ms,
    )
    return c.Done()


HANDLERS: dict[type, Callable[[_native.MediaEngine, Any], Any]] = {c.SetExtension: _set_extension}
"""What carries out each command."""
