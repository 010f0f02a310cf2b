"""What a provider says about coming again, and how often we do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from trunkline.push.notification import Fate, Notification, Outcome, Purpose

MOST_S: Final = 86_400.0
_QUICK_S: Final = 0.2
_CALL_S: Final = 1.0
_OTHER_S: Final = 2.0


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """Seconds of Retry-After (RFC 9110 §10.2.3), a number or a date; 0 when it says nothing that can be read."""
    said = headers.get("Retry-After", "").strip()
    if said.isascii() and said.isdecimal() and len(said) <= 9:
        return min(float(said), MOST_S)
    try:
        at = parsedate_to_datetime(said)
    except (ValueError, IndexError):
        return 0.0
    return max(0.0, min(at.replace(tzinfo=at.tzinfo or UTC).timestamp() - now, MOST_S))


def delay_of(fate: Fate, notification: Notification) -> float | None:
    """How long to wait before the one retry that a notification gets; None when there is none.

    A call does not wait for what the provider would like: the caller hears ringing meanwhile. What was taken is
    never sent again, for it would ring twice.
    """
    if fate.outcome not in {Outcome.UNAVAILABLE, Outcome.BUSY}:
        return None
    if notification.purpose is Purpose.CALL:
        return min(fate.retry_after_s or _QUICK_S, _CALL_S)
    return (fate.retry_after_s or _QUICK_S) if fate.retry_after_s <= _OTHER_S else None


async def tried_twice(attempt: Callable[[], Awaitable[Fate]], notification: Notification) -> Fate:
    """What became of an attempt, or of the one retry that it may have."""
    fate = await attempt()
    delay = delay_of(fate, notification)
    if delay is None:
        return fate
    await asyncio.sleep(delay)
    return await attempt()
