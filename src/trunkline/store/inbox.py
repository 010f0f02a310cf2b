"""The queue between the event loop and the writer thread: bounded by rows, aware of pressure."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TypeAlias

from trunkline.store.commit import Operation

# How long rows that nobody waits for may gather: each wake-up of the thread takes the interpreter from the loop.
GATHER_S = 0.2
GATHER_ROWS = 1_000

Entry: TypeAlias = "tuple[Operation, asyncio.Future[None] | None]"


class Inbox:
    """Rows count as queued until they are written, so that the bound holds for the thread's hands as well."""

    def __init__(self, limit_rows: int, linger_s: float) -> None:
        self._limit = limit_rows
        self._linger_s = linger_s
        self._lock = threading.Lock()  # taken as such for each row: a Condition asks it by two calls more
        self._changed = threading.Condition(self._lock)
        self._entries: list[Entry] = []
        self._queued = 0
        self._asleep = False
        self._hurry = False
        self._awaited = False
        self._closed = False
        self._give_up_at = 0.0
        self.pressed = False

    @property
    def queued(self) -> int:
        """Rows handed in and not yet written."""
        return self._queued

    def put(self, entry: Entry, *, hurry: bool = False) -> tuple[bool, bool]:
        """``(accepted, newly pressed)``; refused at the bound, unless the operation is kept."""
        operation = entry[0]
        rows = len(operation.rows)
        with self._lock:
            newly = False
            if self._queued + rows > self._limit:
                newly, self.pressed = not self.pressed, True
                if not operation.kept:
                    return False, newly
            self._entries.append(entry)
            self._queued += rows
            if hurry or (entry[1] is not None and not self._awaited):
                self._hurry = self._hurry or hurry
                self._awaited = True
                self._asleep = False
                self._changed.notify()
            elif self._asleep:
                self._asleep = False
                self._changed.notify()
        return True, newly

    def take(self, *, wait: bool) -> list[Entry]:
        """All that is queued; with ``wait`` at least one entry, unless closed. Called by the thread."""
        with self._changed:
            while wait and not self._entries and not self._closed:
                self._asleep = True
                self._changed.wait()
            self._asleep = False
            if wait and self._linger_s:
                self._changed.wait_for(self._is_awaited, timeout=GATHER_S)
                self._changed.wait_for(self._is_hurried, timeout=self._linger_s if self._awaited else 0)
            self._hurry = self._awaited = False
            entries, self._entries = self._entries, []
            return entries

    def _is_awaited(self) -> bool:
        return self._awaited or self._closed or self._queued >= GATHER_ROWS

    def _is_hurried(self) -> bool:
        return self._hurry or self._closed

    def written(self, rows: int) -> bool:
        """Forget ``rows`` rows; True when this eases the pressure (half of the bound is free again)."""
        with self._changed:
            self._queued -= rows
            eased = self.pressed and self._queued <= self._limit // 2
            if eased:
                self.pressed = False
            return eased

    def close(self, give_up_s: float) -> None:
        """Let the thread finish what is queued; failing that, give up after ``give_up_s``."""
        with self._changed:
            self._closed = True
            self._give_up_at = time.monotonic() + give_up_s
            self._changed.notify()

    def pause(self, seconds: float) -> bool:
        """Wait before another attempt; False when it is time to give up."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed, timeout=seconds)
            if not self._closed:
                return True
        time.sleep(min(seconds, 0.1))  # closing: woken at once, but a locked file needs a moment
        return time.monotonic() < self._give_up_at
