"""Sound and keys that an rtpengine sends to a port's peer."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from trunkline.base.errors import MediaError
from trunkline.media.commands import Play, SendDigits
from trunkline.media.ng.call import NgPort
from trunkline.media.ng.linking import refresh

MAX_SOUND: Final = 60_000
"""Octets of a file that is sent within the command: it must fit into a datagram. 7 s of G.711, 3 s of 16 bits."""
_KEYS: Final = frozenset("0123456789*#ABCD")
_MOST_KEYS: Final = 64


async def play(port: NgPort, command: Play) -> int:
    """Have one file played; how many milliseconds it lasts. Raises MediaError."""
    if len(command.files) != 1:
        raise MediaError("rtpengine plays one file at a time, not a list", "media.not_with_rtpengine")
    sound = await asyncio.to_thread(_read, Path(command.files[0]))
    call = port.call
    fields: dict[str, int] = {"repeat_times": 1_000_000} if command.loop else {}
    answer = await call.instance.ask("play media", call_id=call.id, from_tag=port.id, blob=sound, **fields)
    lasts = answer.get("duration")
    return lasts if isinstance(lasts, int) and 0 <= lasts <= 86_400_000 else 0


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_SOUND:
            raise MediaError(
                f"{path} is larger than the {MAX_SOUND} octets that rtpengine takes",
                "media.not_with_rtpengine",
            )
        return path.read_bytes()
    except OSError as error:
        raise MediaError(f"{path}: {error.strerror}", "media.file_unreadable") from None


async def stop(port: NgPort) -> None:
    """End what is played."""
    await port.call.instance.ask("stop media", call_id=port.call.id, from_tag=port.id)


def check_keys(port: NgPort, command: SendDigits) -> NgPort:
    """The port across, whose peer the keys seem to come from; raises MediaError when they cannot be sent."""
    if not command.digits or not set(command.digits.upper()) <= _KEYS:
        raise MediaError("keys are 0 to 9, *, # and A to D", "media.argument")
    if len(command.digits) > _MOST_KEYS:
        raise MediaError(f"more than {_MOST_KEYS} keys", "media.digits_full")
    if port.link is None:
        raise MediaError("rtpengine sends keys on a link alone", "media.not_with_rtpengine")
    return port.link


async def send_key(port: NgPort, across: NgPort, key: str, duration_ms: int) -> None:
    """Send one key to the peer of ``port`` as if that of ``across`` had pressed it."""
    if not across.injects:
        across.injects = True
        await refresh(port)
    across.injected.append(key)
    call = port.call
    await call.instance.ask(
        "play DTMF", call_id=call.id, from_tag=across.id, digit=key, duration=max(100, min(duration_ms, 5000))
    )
