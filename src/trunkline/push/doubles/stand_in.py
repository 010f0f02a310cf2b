"""What all stand-ins have in common: they are started and stopped, and what they were sent can be waited for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any, Final, Generic, Protocol, TypeVar

KEPT: Final = 10_000


class Shown(Protocol):
    """One notification that a stand-in was sent."""

    def line(self) -> str:
        """For people."""
        ...

    def row(self) -> Mapping[str, Any]:
        """For programs: plain values that JSON can hold."""
        ...


class StandIn(Protocol):
    """A push service on this machine."""

    async def start(self) -> None:
        """Listen; raises OSError when the port is taken."""
        ...

    async def stop(self) -> None:
        """End all connections and tasks."""
        ...

    async def next_push(self) -> Shown:
        """The next one that nobody has been given so far; waits for it."""
        ...

    def about(self) -> Mapping[str, str]:
        """Where it listens, and what else its user must know: words and their values."""
        ...


PushT = TypeVar("PushT", bound=Shown)


class Pushes(Generic[PushT]):
    """What was sent, in order: the newest 10,000 of them, and those that nobody has waited for yet."""

    def __init__(self) -> None:
        self.all: deque[PushT] = deque(maxlen=KEPT)
        self._new: deque[PushT] = deque(maxlen=KEPT)
        self._came = asyncio.Event()

    def add(self, push: PushT) -> None:
        self.all.append(push)
        self._new.append(push)
        self._came.set()

    async def next(self) -> PushT:
        """Each is given out once."""
        while not self._new:
            self._came.clear()
            await self._came.wait()
        return self._new.popleft()
