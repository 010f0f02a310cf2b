"""Keys that an app presses.

Where the media passes here and the other party takes telephone events (RFC 4733), they are sent to it as such, else as
one INFO for each (``application/dtmf-relay``), in order, each awaited.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from trunkline.base.errors import LocalProtocolError, MediaError
from trunkline.call.prompter import KEYS
from trunkline.media.commands import SendDigits

if TYPE_CHECKING:
    from trunkline.call.app_leg import AppLeg

MAX_KEYS: Final = 64
SHORTEST_MS: Final = 40
LONGEST_MS: Final = 5000
_ANSWER_S: Final = 8.0  # of one INFO; who presses keys waits in front of a screen
_GAP_MS: Final = 60
_KIND: Final = "application/dtmf-relay"


class AppInfo:
    """An INFO or MESSAGE of an app's; ``on_done`` is told the status that answers it, once."""

    __slots__ = ("_on_done", "body", "content_type", "method", "package")

    def __init__(
        self,
        method: str,
        content_type: str,
        body: bytes,
        on_done: Callable[[int], None],
        package: str | None = None,
    ) -> None:
        self.method = method
        self.content_type = content_type
        self.body = body
        self.package = package
        self._on_done: Callable[[int], None] | None = on_done

    def answer(self, status: int) -> None:
        done, self._on_done = self._on_done, None
        if done is not None:
            done(status)


def press_keys(leg: AppLeg, digits: str, duration_ms: int, on_done: Callable[[int, bytes], None]) -> None:
    """Send them; raises LocalProtocolError for what is no key, too many of them, or a wrong duration."""
    keys = digits.upper()
    if not 0 < len(keys) <= MAX_KEYS or any(key not in KEYS for key in keys):
        raise LocalProtocolError(f"expected 1 to {MAX_KEYS} keys of 0-9 * # A-D")
    if not SHORTEST_MS <= duration_ms <= LONGEST_MS:
        raise LocalProtocolError(f"a key is pressed for {SHORTEST_MS} to {LONGEST_MS} ms, saw {duration_ms}")
    leg.context.spawn(_press(leg, keys, duration_ms, on_done))


async def _press(leg: AppLeg, keys: str, duration_ms: int, on_done: Callable[[int, bytes], None]) -> None:
    if await _sent_as_events(leg, keys, duration_ms):
        on_done(200, b"")
        return
    status = 200
    for position, key in enumerate(keys):
        if position:
            await asyncio.sleep(duration_ms / 1000)  # two equal keys must not run into one
        status = await _press_one(leg, f"Signal={key}\r\nDuration={duration_ms}\r\n".encode())
        if status >= 300:
            break
    on_done(status, b"")


async def _sent_as_events(leg: AppLeg, keys: str, duration_ms: int) -> bool:
    other = leg.across
    way = leg.media.events_towards(other.media) if other is not None else None
    if way is None:
        return False
    port, payload_type = way
    try:
        await leg.context.engine.execute(SendDigits(port, keys, payload_type, duration_ms, _GAP_MS))
    except MediaError:
        return False
    await asyncio.sleep(len(keys) * (duration_ms + _GAP_MS) / 1000)
    return True


async def _press_one(leg: AppLeg, body: bytes) -> int:
    if leg.done:
        return 481
    answered: asyncio.Future[int] = leg.context.endpoint.loop.create_future()

    def told(status: int) -> None:
        if not answered.done():
            answered.set_result(status)

    leg.observer.leg_info(leg, AppInfo("INFO", _KIND, body, told))
    try:
        async with asyncio.timeout(_ANSWER_S):
            return await answered
    except TimeoutError:
        return 408
