"""How long a connection is waited for."""

from __future__ import annotations

import asyncio


class Patience:
    """A timer for one thing at a time, after which the connection is cut."""

    __slots__ = ("_timer",)

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waits(self) -> bool:
        """Whether there is something that it waits for."""
        return self._timer is not None

    def until(self, seconds: float, transport: asyncio.Transport) -> None:
        """Cut ``transport`` in so many seconds; what was waited for before is not any more."""
        self.enough()
        self._timer = asyncio.get_running_loop().call_later(seconds, transport.abort)

    def enough(self) -> None:
        """It has come."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
