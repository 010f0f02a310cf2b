"""Bans: listed, lifted and made by hand, in the running exchange."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from trunkline.base.messages import (
    AddBan,
    BanAdded,
    BanList,
    BanRow,
    BansCleared,
    ClearBans,
    ListBans,
    Refused,
)
from trunkline.net.fence import Ban, Fence
from trunkline.net.fence.source import is_within, parse_source

LONGEST_S: Final = 2_592_000.0
_FORM = "an IP address, or an IPv6 network of 64 bits as `trunkline bans list` shows it"


class BanHandlers:
    """``clock`` is the fence's, ``wall`` what people read."""

    def __init__(self, fence: Fence, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self._fence = fence
        self._clock = clock
        self._wall = wall

    async def page(self, _tenant: str, ask: ListBans) -> BanList:
        start = int(ask.after) if ask.after is not None and ask.after.isdigit() else 0
        bans = self._fence.bans(self._clock())
        more = str(start + ask.limit) if len(bans) > start + ask.limit else None
        return BanList(rows=tuple(map(self._row, bans[start : start + ask.limit])), next=more)

    async def add(self, _tenant: str, ask: AddBan) -> BanAdded:
        source = _source(ask.address)
        if not 1 <= ask.for_s <= LONGEST_S:
            raise Refused("ban.invalid", f"a ban lasts 1 to {LONGEST_S:g} seconds, not {ask.for_s:g}")
        if is_within(source, self._fence.policy.trusted):
            raise Refused(
                "ban.trusted",
                f"{source} is in a trusted network",
                "take it out of [guard] trusted first",
                409,
            )
        return BanAdded(row=self._row(self._fence.ban(source, self._clock(), ask.for_s)))

    async def clear(self, _tenant: str, ask: ClearBans) -> BansCleared:
        source = None if ask.address is None else _source(ask.address)
        lifted = self._fence.pardon(source, self._clock())
        if source is not None and not lifted:
            raise Refused("ban.unknown", f"{source} is not banned", "trunkline bans list shows who is", 404)
        return BansCleared(sources=tuple(lifted))

    def _row(self, ban: Ban) -> BanRow:
        now = self._clock()
        return BanRow(ban.source, ban.why, self._wall() - (now - ban.since), ban.until - now)


def _source(text: str) -> str:
    try:
        return parse_source(text)
    except ValueError:
        raise Refused("ban.invalid", f"{text[:80]!r} is no address", f"expected {_FORM}") from None
