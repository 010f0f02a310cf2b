"""How the script of a call learns that its call is over."""

from __future__ import annotations

import asyncio
from typing import Any


class Ending:
    """Told once. A script that waits for it is woken; one that does something else is cancelled there."""

    __slots__ = ("_cancelled", "_future", "_task", "_waits")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._future: asyncio.Future[None] = loop.create_future()
        self._task: asyncio.Task[Any] | None = None
        self._waits = False
        self._cancelled = False

    @property
    def told(self) -> bool:
        return self._future.done()

    def enter(self) -> None:
        """The script begins, in the task that runs now. A task that was cancelled before its first step would
        never run at all, and nobody would close the call: until here the script is left alone."""
        self._task = asyncio.current_task()

    async def wait(self) -> None:
        """Return when the call is over."""
        self._waits = True
        try:
            await asyncio.shield(self._future)
        finally:
            self._waits = False

    def tell(self) -> None:
        """The call is over."""
        if self._future.done():
            return
        self._future.set_result(None)
        task = self._task
        if task is not None and not self._waits and task is not asyncio.current_task():
            self._cancelled = task.cancel()

    def absorb(self) -> bool:
        """Whether a cancellation is the one that ``tell`` asked for: then the task goes on to close the call."""
        return self._cancelled and self._task is not None and self._task.uncancel() == 0
