"""More work than time: what is new is refused, cheaply, so that what stands is served (RFC 3261 §21.5.4).

Whoever watches the load says it by ``measured``, several times a second. Above the limits INVITEs outside of dialogs
get 503 with Retry-After, before anything is looked up for them; above twice the limits REGISTER, SUBSCRIBE, MESSAGE
and the others too. Requests within dialogs, responses and OPTIONS are always served. Of what is refused only the
hashes of INVITE transactions are kept, for some seconds.

Once calls are refused, it is a share of them while the load sinks from the limits to half of them (RFC 7339 §5.10.1,
loss-based): who refused all or none would serve half of what he can.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

# Of measurements: so many in a row begin it, so many end it. One late moment is no overload.
BEGIN_AFTER: Final = 3
END_AFTER: Final = 10
_EASE: Final = 0.5  # the share of the limits below which it is over
_AGES_AFTER: Final = 20  # measurements, twice: what waited for us while we were late is older
_MOST_REMEMBERED: Final = 20_000


class Load(IntEnum):
    """What is refused."""

    NORMAL = 0
    CALLS = 1
    ALL_NEW = 2


@dataclass(frozen=True, slots=True)
class OverloadPolicy:
    """``lag_s`` is how late we may be with anything; ``retry_after_s`` when those refused may come again, or later."""

    enabled: bool = False
    lag_s: float = 0.5
    retry_after_s: int = 5


class Overload:
    """The state of one endpoint. ``level`` is read for each new request; ``refused`` counts by method."""

    __slots__ = (
        "_above",
        "_age",
        "_below",
        "_lately",
        "_lately_before",
        "_owed",
        "level",
        "policy",
        "ratio",
        "refused",
    )

    def __init__(self) -> None:
        self.policy = OverloadPolicy()
        self.level = Load.NORMAL
        self.ratio = 0.0  # the load as a multiple of the limits, when last measured
        self.refused: dict[str, int] = {}
        self._above = 0
        self._below = 0
        self._owed = 0.0  # how much of a call is still to be refused, for the share to be kept
        # INVITE transactions that were refused, by hash(): the same again, which waited behind it, is not another.
        self._lately: set[int] = set()
        self._lately_before: set[int] = set()
        self._age = 0

    def measured(self, lag_s: float, *, losing: bool = False) -> bool:
        """Take one measurement: how late we are, and whether messages were lost for want of room.

        Returns whether the level has changed by it.
        """
        policy, before = self.policy, self.level
        if not policy.enabled:
            self.ratio = 0.0
            self._above = self._below = 0
            self.level = Load.NORMAL
            return before is not Load.NORMAL
        ratio = lag_s / policy.lag_s
        if ratio < _EASE and not losing and not self._above and not before:
            self.ratio = ratio  # as nearly always
            return False
        if losing:
            # Refusing calls has not been enough when it goes on.
            ratio = max(ratio, 2.0 if self._above >= 2 * BEGIN_AFTER else 1.0)
        self.ratio = ratio
        self._above = self._above + 1 if ratio >= 1 else 0
        self._below = self._below + 1 if ratio < _EASE else 0
        if self._above >= BEGIN_AFTER:
            self.level = Load.ALL_NEW if ratio >= 2 else max(before, Load.CALLS)
        elif self._below >= END_AFTER:
            self.level = Load.NORMAL
        elif before is Load.ALL_NEW and ratio < 1:
            self.level = Load.CALLS
        self._grow_older()
        return self.level is not before

    def _grow_older(self) -> None:
        self._age += 1
        if not self.level:
            self._lately, self._lately_before, self._owed = set(), set(), 0.0
        elif self._age >= _AGES_AFTER or len(self._lately) >= _MOST_REMEMBERED:
            self._lately, self._lately_before = set(), self._lately
            self._age = 0

    def refuses(self, method: str, key: str = "") -> bool:
        """Whether a new request of this method is refused now; asked only while ``level`` is not NORMAL.

        ``key`` tells INVITE transactions apart: one that was refused stays so when it comes again.
        """
        if method == "OPTIONS" or (method != "INVITE" and self.level is Load.CALLS):
            return False
        if method == "INVITE" and self._spares(hash(key)):
            return False
        # Methods are few, but a peer may invent them.
        name = method if method in _COUNTED else "other"
        self.refused[name] = self.refused.get(name, 0) + 1
        return True

    def _spares(self, key: int) -> bool:
        """Whether an INVITE is let through, as one of the share that is not refused."""
        if key in self._lately or key in self._lately_before:
            return False
        if self.level is Load.CALLS and self.ratio < 1:
            self._owed += max(self.ratio - _EASE, 0.0) / (1 - _EASE)
            if self._owed < 1:
                return True
            self._owed -= 1
        if len(self._lately) < _MOST_REMEMBERED:
            self._lately.add(key)
        return False

    def retry_after(self, dice: int) -> str:
        """The header line of the 503; ``dice`` is 0..255. All that come back at once would be refused at once."""
        wait_s = self.policy.retry_after_s
        return f"Retry-After: {wait_s + wait_s * dice // 255}\r\n"


_COUNTED: Final = frozenset({"INVITE", "REGISTER", "SUBSCRIBE", "MESSAGE", "PUBLISH", "REFER"})
