"""An event loop for which a busy machine takes no time: its clock counts only work of its own and idle waiting.

Deadlines of tenths of a second between two sides in one loop then say what they mean: nobody had anything to do, and
so long nothing came. By the clock of the machine they would also end while another process has the processor.
"""

from __future__ import annotations

import asyncio
import selectors
import time


class _Waiting(selectors.DefaultSelector):
    """Adds up how long nothing came."""

    def __init__(self) -> None:
        super().__init__()
        self.idle_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        began = time.monotonic()
        found: list[tuple[selectors.SelectorKey, int]] = super().select(timeout)
        waited_s = time.monotonic() - began
        if timeout is not None:
            # What came, however late we are told, came before any timer.
            waited_s = min(waited_s, max(timeout, 0.0) / (2 if found else 1))
        self.idle_s += waited_s
        return found


class PatientLoop(asyncio.SelectorEventLoop):
    """asyncio with that clock; to be run by one thread."""

    def __init__(self) -> None:
        self._waiting = _Waiting()
        super().__init__(self._waiting)

    def time(self) -> float:
        return self._waiting.idle_s + time.thread_time()
