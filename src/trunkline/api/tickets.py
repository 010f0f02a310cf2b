"""Tickets: what a browser opens the event channel with, where it can send no Authorization header."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

from trunkline.api.principal import Principal

LIFE_S = 30
MAX_TICKETS = 10_000


class Tickets:
    """Each is good once, for ``LIFE_S`` seconds; the oldest are forgotten when there are too many."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._issued: OrderedDict[str, tuple[float, Principal]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._issued)

    def issue(self, principal: Principal) -> str:
        """A ticket for ``principal``: 256 random bits."""
        self._sweep()
        ticket = secrets.token_urlsafe(32)
        self._issued[ticket] = (self._clock() + LIFE_S, principal)
        if len(self._issued) > MAX_TICKETS:
            self._issued.popitem(last=False)
        return ticket

    def redeem(self, ticket: str) -> Principal | None:
        """Whose it was; None for one that is used up, too old or made up."""
        self._sweep()
        found = self._issued.pop(ticket, None)
        return found[1] if found else None

    def _sweep(self) -> None:
        now = self._clock()
        while self._issued and next(iter(self._issued.values()))[0] <= now:
            self._issued.popitem(last=False)
