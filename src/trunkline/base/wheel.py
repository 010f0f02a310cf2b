"""A timer wheel: thousands of timers, one wake-up.

Timers are rounded up to ticks, so that timers of many transactions share a bucket. The owner asks
``next_deadline()`` and calls ``advance(now)`` then; nothing here reads a clock, so the same wheel runs in
virtual time.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

TICK_S = 0.01


class Timer:
    """One armed timer; ``callback(now)`` is called once, unless cancelled before."""

    __slots__ = ("callback", "tick")

    def __init__(self, callback: Callable[[float], None]) -> None:
        self.callback: Callable[[float], None] | None = callback
        self.tick = -1


class TimerWheel:
    """Buckets of timers by tick. Arming and cancelling are O(1) but for a new bucket."""

    __slots__ = ("_buckets", "_ticks", "count")

    def __init__(self) -> None:
        self._buckets: dict[int, set[Timer]] = {}
        self._ticks: list[int] = []
        self.count = 0

    def at(self, deadline: float, callback: Callable[[float], None]) -> Timer:
        """Call ``callback(now)`` at ``deadline`` (seconds), never earlier, at most one tick later."""
        timer = Timer(callback)
        self.rearm(timer, deadline)
        return timer

    def rearm(self, timer: Timer, deadline: float) -> None:
        """Arm a timer that fired or was never armed, with its callback kept."""
        tick = int(deadline / TICK_S) + 1
        bucket = self._buckets.get(tick)
        if bucket is None:
            self._buckets[tick] = {timer}
            heapq.heappush(self._ticks, tick)
        else:
            bucket.add(timer)
        timer.tick = tick
        self.count += 1

    def cancel(self, timer: Timer) -> None:
        """Take a timer off; harmless when it has fired."""
        if timer.tick >= 0:
            bucket = self._buckets.get(timer.tick)
            if bucket is not None and timer in bucket:
                bucket.remove(timer)
                self.count -= 1
            timer.tick = -1

    def next_deadline(self) -> float | None:
        """When to call ``advance`` next, or None when nothing is armed."""
        ticks = self._ticks
        while ticks:
            if self._buckets.get(ticks[0]):
                return ticks[0] * TICK_S
            self._buckets.pop(heapq.heappop(ticks), None)
        return None

    def advance(self, now: float) -> None:
        """Fire everything due at ``now``, in order of ticks. Callbacks may arm and cancel."""
        limit = int(now / TICK_S + 1e-6)
        ticks = self._ticks
        while ticks and ticks[0] <= limit:
            tick = heapq.heappop(ticks)
            bucket = self._buckets.pop(tick, None)
            while bucket:
                timer = bucket.pop()
                self.count -= 1
                timer.tick = -1
                if timer.callback is not None:
                    timer.callback(now)
