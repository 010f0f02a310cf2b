"""Trunks: listed, in the running exchange."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.base.messages import ListTrunks, TrunkList, TrunkRow
from trunkline.trunking.trunks import Trunks, TrunkStatus


class TrunkHandlers:
    """``wall`` gives wall-clock seconds."""

    def __init__(self, trunks: Trunks, wall: Callable[[], float]) -> None:
        self._trunks = trunks
        self._wall = wall

    async def page(self, tenant: str, ask: ListTrunks) -> TrunkList:
        start = int(ask.after) if ask.after is not None and ask.after.isdigit() else 0
        mine = [one for one in self._trunks.statuses() if one.tenant == tenant]
        more = str(start + ask.limit) if len(mine) > start + ask.limit else None
        return TrunkList(rows=tuple(map(self._row, mine[start : start + ask.limit])), next=more)

    def _row(self, one: TrunkStatus) -> TrunkRow:
        left = one.next_try - self._wall() if one.next_try else None
        return TrunkRow(one.name, one.host, one.state, one.since, left, one.why)
