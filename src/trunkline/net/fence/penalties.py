"""Penalties that grow with each repetition and fade with time. Pure: the time goes in, seconds come out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_MOST_DOUBLINGS: Final = 40
_ROUNDING: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Scale:
    """How soon a penalty comes, and how it grows.

    ``attempts`` within ``window_s`` seconds bring the first one, of ``first_s``; each further one is twice as
    long as the one before, ``longest_s`` at most. For each ``longest_s`` without a penalty one doubling is
    forgiven.
    """

    attempts: int = 10
    window_s: float = 600.0
    first_s: float = 60.0
    longest_s: float = 14_400.0


class _Record:
    """``score`` attempts as of ``at``, less what has faded since; ``level`` doublings; served until ``until``."""

    __slots__ = ("at", "last", "level", "score", "until")

    def __init__(self, now: float) -> None:
        self.score = 0.0
        self.at = now
        self.level = 0
        self.until = 0.0
        self.last = 0


class Penalties(Generic[K]):
    """Attempts and penalties by key, of the last ``capacity`` keys that offended; the oldest go first.

    Attempts fade evenly, ``attempts`` of them in ``window_s``: who stays below that rate is never punished.
    """

    __slots__ = ("_capacity", "_records", "scale")

    def __init__(self, scale: Scale, capacity: int = 65_536) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        self.scale = scale
        self._capacity = capacity
        self._records: OrderedDict[K, _Record] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def count(self, key: K, now: float, weight: float = 1.0, mark: int = 0) -> float:
        """Note an attempt; how many seconds of penalty it brings, 0 for none.

        ``weight`` is how much of an attempt it is. The same ``mark`` (but 0) twice running is one attempt.
        """
        record = self._record(key, now)
        if mark and mark == record.last:
            return 0.0
        record.last = mark
        scale = self.scale
        faded = (now - record.at) * scale.attempts / scale.window_s
        record.score = max(0.0, record.score - faded) + weight
        record.at = now
        # What has faded since the first is forgiven: the last attempt allowed is the last, if they came soon enough.
        due = record.score > scale.attempts - weight + _ROUNDING
        return self._punish(record, now) if due else 0.0

    def punish(self, key: K, now: float) -> float:
        """The next penalty at once; its seconds."""
        return self._punish(self._record(key, now), now)

    def is_under(self, key: K, now: float) -> bool:
        """Whether a penalty is being served."""
        record = self._records.get(key)
        return record is not None and now < record.until

    def forget(self, key: K) -> None:
        """Forgive everything; harmless when nothing is known."""
        self._records.pop(key, None)

    def forget_all(self) -> None:
        """Forgive everybody everything."""
        self._records.clear()

    def _record(self, key: K, now: float) -> _Record:
        record = self._records.get(key)
        if record is None:
            if len(self._records) >= self._capacity:
                self._records.popitem(last=False)
            record = self._records[key] = _Record(now)
        else:
            self._records.move_to_end(key)
        return record

    def _punish(self, record: _Record, now: float) -> float:
        scale = self.scale
        if record.until:
            forgiven = int(max(0.0, now - record.until) / scale.longest_s)
            record.level = max(0, min(record.level, _MOST_DOUBLINGS) + 1 - forgiven)
        seconds = float(min(scale.first_s * 2**record.level, scale.longest_s))
        record.score = 0.0
        record.at = now
        record.until = now + seconds
        return seconds
