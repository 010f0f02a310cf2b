"""The calls in progress, and how the finished ones ended."""

from __future__ import annotations

import asyncio
from collections import Counter

from trunkline.call.call import Call


class Calls:
    """Active calls by id, and how many each number has.

    ``outcomes`` counts finished ones by reason code; the codes are ours, and few.
    """

    __slots__ = ("_idle", "_load", "active", "outcomes", "total")

    def __init__(self) -> None:
        self.active: dict[str, Call] = {}
        self.outcomes: Counter[str] = Counter()
        self.total = 0
        self._load: dict[tuple[str, str], int] = {}
        self._idle: asyncio.Event | None = None

    def add(self, call: Call, parties: tuple[str, ...] = ()) -> None:
        """Take in a call; ``parties`` are the numbers that it counts for, until it is over."""
        self.active[call.id] = call
        call.parties = parties
        load = self._load
        for number in parties:
            party = call.tenant, number
            load[party] = load.get(party, 0) + 1
        self.total += 1
        call.on_closed = self._remove

    def count(self, call: Call, parties: tuple[str, ...]) -> None:
        """A call counts for these numbers from now on, and for no others."""
        if call.id in self.active:
            self._discount(call)
            call.parties = parties
            for number in parties:
                party = call.tenant, number
                self._load[party] = self._load.get(party, 0) + 1

    def _discount(self, call: Call) -> None:
        load = self._load
        for number in call.parties:
            party = call.tenant, number
            left = load[party] - 1
            if left:
                load[party] = left
            else:
                del load[party]

    def _remove(self, call: Call) -> None:
        if self.active.pop(call.id, None) is not None:
            self._discount(call)
        self.outcomes[call.legs[0].outcome.code or "call.unknown"] += 1
        if not self.active and self._idle is not None:
            self._idle.set()

    def load(self, tenant: str, number: str) -> int:
        """How many calls a number has, made and received, ringing ones too."""
        return self._load.get((tenant, number), 0)

    def find(self, tenant: str, text: str) -> Call | None:
        """A tenant's call by its id, an unambiguous beginning of it, or the SIP Call-ID of one of its legs.

        Calls of other tenants are not looked at: one may have the same Call-ID, which its phone chose.
        """
        own = [call for call in self.active.values() if call.tenant == tenant]
        near = [call for call in own if len(text) >= 4 and call.id.startswith(text)]
        if len(near) == 1:
            return near[0]
        by_leg = (call for call in own if any(leg.outcome.sip_call_id == text for leg in call.legs))
        return next((call for call in own if call.id == text), None) or next(by_leg, None)

    async def idle(self, within_s: float) -> bool:
        """Wait until no call is left; False when ``within_s`` seconds pass before."""
        if not self.active:
            return True
        self._idle = asyncio.Event()
        try:
            async with asyncio.timeout(within_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True
