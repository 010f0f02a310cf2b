"""Who stays for long in the name of a token: event channels, and requests that wait for news."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from trunkline.api.principal import Principal


class Stay:
    """``over`` is done when the token is good no more, before its time."""

    __slots__ = ("over", "principal")

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Stays:
    """All of them; how many there may be is the affair of ``crowds``."""

    def __init__(self) -> None:
        self._all: set[Stay] = set()

    def begin(self, principal: Principal) -> Stay:
        """One more, until ``end``."""
        stay = Stay(principal)
        self._all.add(stay)
        return stay

    def end(self, stay: Stay) -> None:
        """It is over. Harmless twice."""
        self._all.discard(stay)

    def cut(self, is_over: Callable[[Principal], bool]) -> int:
        """Tell those whose token is good no more; returns how many."""
        cut = [stay for stay in self._all if not stay.over.done() and is_over(stay.principal)]
        for stay in cut:
            stay.over.set_result(None)
        return len(cut)
