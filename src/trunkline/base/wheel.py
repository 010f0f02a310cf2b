"""A timer wheel: thousands of timers, one wake-up.

Timers are rounded up to ticks, so that timers of many transactions share a bucket. The owner asks
``next_deadline()`` and calls ``advance(now)`` then; nothing here reads a clock, so the same wheel runs in
virtual time. Buckets are dicts, not sets: alarms of one tick fire in the order they were armed, and a run in
virtual time is the same each time.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

TICK_S = 0.01


class Alarm:
    """Something the wheel can wake: subclasses say in ``fire(now)`` what is due.

    Protocol objects inherit from it rather than hold a timer, because one object less for each transaction
    is felt at a thousand calls a second.
    """

    __slots__ = ("tick",)

    def __init__(self) -> None:
        self.tick = -1

    @property
    def armed(self) -> bool:
        return self.tick >= 0

    def fire(self, now: float) -> None:
        """Called once per arming, with the time of the wheel in seconds."""
        raise NotImplementedError(f"{type(self).__name__} must say what happens when its timer fires")


class Timer(Alarm):
    """An alarm that calls a function."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[float], None]) -> None:
        self.tick = -1  # as Alarm has it, without a call for each
        self.callback = callback

    def fire(self, now: float) -> None:
        self.callback(now)


class TimerWheel:
    """Buckets of alarms by tick. Arming and cancelling are O(1) but for a new bucket."""

    __slots__ = ("_buckets", "_ticks", "on_earlier")

    def __init__(self) -> None:
        self._buckets: dict[int, dict[Alarm, None]] = {}
        self._ticks: list[int] = []
        self.on_earlier: Callable[[float], None] | None = None
        """Called with the new next deadline when an arming brings it forward, to move the shell's timer."""

    @property
    def count(self) -> int:
        """How many alarms are armed; counted when somebody asks."""
        return sum(map(len, self._buckets.values()))

    def call_at(self, deadline: float, callback: Callable[[float], None]) -> Timer:
        """Call ``callback(now)`` at ``deadline`` (seconds), never earlier, at most one tick later."""
        timer = Timer(callback)
        self.arm(timer, deadline)
        return timer

    def arm(self, alarm: Alarm, deadline: float) -> None:
        """Arm an alarm for ``deadline``; one that is armed already is moved."""
        buckets = self._buckets
        if alarm.tick >= 0:  # as in ``cancel``
            bucket = buckets.get(alarm.tick)
            if bucket is not None:
                bucket.pop(alarm, None)
        alarm.tick = tick = int(deadline / TICK_S) + 1
        bucket = buckets.get(tick)
        if bucket is not None:
            bucket[alarm] = None
            return
        buckets[tick] = {alarm: None}
        heapq.heappush(self._ticks, tick)
        if self._ticks[0] == tick and self.on_earlier is not None:
            self.on_earlier(tick * TICK_S)

    def cancel(self, alarm: Alarm) -> None:
        """Take an alarm off; harmless when it has fired or was never armed."""
        if alarm.tick >= 0:
            bucket = self._buckets.get(alarm.tick)
            if bucket is not None:
                bucket.pop(alarm, None)
            alarm.tick = -1

    def next_deadline(self) -> float | None:
        """When to call ``advance`` next, or None when nothing is armed."""
        ticks = self._ticks
        while ticks:
            if self._buckets.get(ticks[0]):
                return ticks[0] * TICK_S
            self._buckets.pop(heapq.heappop(ticks), None)
        return None

    def advance(self, now: float) -> None:
        """Fire everything due at ``now``, in the order of ticks and of arming. Alarms may arm and cancel.

        When an alarm raises, it alone is lost: the rest of its bucket fires with the next call.
        """
        limit = int(now / TICK_S + 1e-6)
        ticks = self._ticks
        while ticks and ticks[0] <= limit:
            bucket = self._buckets[ticks[0]]
            if not bucket:
                del self._buckets[heapq.heappop(ticks)]
                continue
            for alarm in tuple(bucket):
                if alarm in bucket:  # one before it may have cancelled it
                    del bucket[alarm]
                    alarm.tick = -1
                    alarm.fire(now)
