"""How many messages may be under way to one push service: one that does not answer must not keep the others waiting.

Endpoints come from strangers, and anybody's server may accept connections and stay silent. A service that answers may
have as many as there are places; one that did not answer the last time gets a few, until it answers again.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

SILENT_AT_ONCE: Final = 4
MOST_KNOWN: Final = 10_000


class Origins:
    """Whatever ``enter`` let in must be told by ``leave``."""

    def __init__(self) -> None:
        self._under_way: dict[str, int] = {}
        self._silent: OrderedDict[str, None] = OrderedDict()

    def enter(self, origin: str) -> bool:
        """False when enough wait for this one already."""
        now = self._under_way.get(origin, 0)
        if origin in self._silent and now >= SILENT_AT_ONCE:
            return False
        self._under_way[origin] = now + 1
        return True

    def leave(self, origin: str, *, answered: bool) -> None:
        """``answered`` is true whatever the answer was."""
        left = self._under_way[origin] - 1
        if left:
            self._under_way[origin] = left
        else:
            del self._under_way[origin]
        if answered:
            self._silent.pop(origin, None)
            return
        self._silent[origin] = None
        self._silent.move_to_end(origin)
        if len(self._silent) > MOST_KNOWN:
            self._silent.popitem(last=False)
