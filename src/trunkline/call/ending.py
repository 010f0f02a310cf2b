"""How the script of a call learns that its call is over."""

from __future__ import annotations

import asyncio
from typing import Any


class Ending:
    """Told once. A script that waits for it is woken; one that does something else is cancelled there."""

    __slots__ = ("_cancelled", "_loop", "_task", "_waiters", "told")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._task: asyncio.Task[Any] | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._cancelled = False
        self.told = False

    def enter(self) -> None:
        """The script begins, in the task that runs now. A task that was cancelled before its first step would
        never run at all, and nobody would close the call: until here the script is left alone."""
        self._task = asyncio.current_task()

    async def wait(self) -> None:
        """Return when the call is over."""
        if self.told:
            return
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            self._waiters.remove(waiter)

    def wake(self) -> None:
        """Whoever waits has something else to do."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def tell(self) -> None:
        """The call is over."""
        if self.told:
            return
        self.told = True
        task = self._task
        if self._waiters:
            self.wake()
        elif task is not None and task is not asyncio.current_task():
            self._cancelled = task.cancel()

    def absorb(self) -> bool:
        """Whether a cancellation is the one that ``tell`` asked for: then the task goes on to close the call."""
        return self._cancelled and self._task is not None and self._task.uncancel() == 0
