"""Which nonce counts were used: a bounded table of sliding windows (RFC 7616 §3.4, nc).

Each challenge has a nonce of its own, but some clients answer it again and again with ``nc=1`` and another
cnonce. So a window belongs to a nonce, a user and a cnonce; the cnonce is part of what the digest signs, so
nobody can escape to a fresh window with an old response.
"""

from __future__ import annotations

from typing import Final

WINDOW: Final = 64
_MASK: Final = 2**WINDOW - 1
# Nearly every window only ever sees nc=1. The interpreter keeps small numbers once, so this state is free.
_ONLY_FIRST: Final = 1


class ReplayTable:
    """Windows by the second in which their nonce was minted.

    ``capacity`` windows at most, about 120 bytes each. When they are used up, those of the oldest second go
    and ``floor`` rises to it: nonces of ``floor`` and before then count as expired. Whoever still uses one
    is asked again with a fresh nonce; no replay slips through.
    """

    __slots__ = ("_count", "_seconds", "capacity", "floor")

    def __init__(self, capacity: int = 65536) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        self.capacity = capacity
        self.floor = -1
        self._count = 0
        self._seconds: dict[int, dict[int, int]] = {}

    def __len__(self) -> int:
        return self._count

    def use(self, second: int, key: int, count: int) -> bool:
        """Whether ``count`` (1..2**32-1) is used for the first time; at most 63 behind the highest."""
        if second <= self.floor or count < 1:
            return False
        windows = self._seconds.get(second)
        state = None if windows is None else windows.get(key)
        if windows is None or state is None:
            return self._open(second, key, count)
        successor = _advance(state, count)
        if successor is None:
            return False
        windows[key] = successor
        return True

    def forget_before(self, second: int) -> None:
        """Drop the windows of nonces minted before ``second``: the nonces have expired."""
        for old in [each for each in self._seconds if each < second]:
            self._count -= len(self._seconds.pop(old))

    def _open(self, second: int, key: int, count: int) -> bool:
        if self._count >= self.capacity:
            oldest = min(self._seconds)
            if oldest >= second:
                # All room is taken by nonces as new as this one: it is refused like a replay.
                return False
            self._count -= len(self._seconds.pop(oldest))
            self.floor = oldest
        windows = self._seconds.setdefault(second, {})
        windows[key] = _ONLY_FIRST if count == 1 else count << WINDOW | 1
        self._count += 1
        return True


def _advance(state: int, count: int) -> int | None:
    """The window after ``count``, or None when it was used or is too old.

    A state is the highest count, then 64 bits of which bit n says that (highest - n) was used.
    """
    highest, used = (1, 1) if state == _ONLY_FIRST else (state >> WINDOW, state & _MASK)
    ahead = count - highest
    if ahead > 0:
        used = (used << ahead | 1) & _MASK if ahead < WINDOW else 1
        return count << WINDOW | used
    if ahead <= -WINDOW or used >> -ahead & 1:
        return None
    return highest << WINDOW | used | 1 << -ahead
