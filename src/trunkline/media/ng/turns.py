"""One opening, moving or closing at a time for each owner."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator


class Turns:
    """An owner's ports must not come to be at two instances, nor after its end. Iterates over owners at work."""

    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._turns)

    @contextlib.asynccontextmanager
    async def of(self, owner: str) -> AsyncIterator[None]:
        """Wait for the owner's turn, and keep it."""
        turn = self._turns.setdefault(owner, _Turn())
        turn.wanted += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.wanted -= 1
            if not turn.wanted:
                self._turns.pop(owner, None)


class _Turn:
    __slots__ = ("lock", "wanted")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.wanted = 0
