"""What has lately proven itself with a right password: flows, sources, and users at sources."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeAlias

Remote: TypeAlias = tuple[str, int]


class Proofs:
    """A bounded set whose members are forgotten ``lifetime_s`` to twice that after they were last added.

    Two generations make it so at the price of one dictionary store: what is added goes into the young one, and
    when that is ``lifetime_s`` old or has ``capacity`` members, it becomes the old one, whose members go.
    """

    __slots__ = ("_capacity", "_lifetime_s", "_old", "_turn_at", "_young")

    def __init__(self, lifetime_s: float, capacity: int = 262_144) -> None:
        if capacity < 3:
            raise ValueError(f"capacity must be at least 3, got {capacity}")
        self._lifetime_s = lifetime_s
        self._capacity = capacity
        self._young: dict[Hashable, None] = {}
        self._old: dict[Hashable, None] = {}
        self._turn_at = 0.0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def add(self, remote: Remote, source: str, realm: str, user: str, now: float) -> None:
        """A user proved itself over the flow from ``remote``: it counts for the flow, the source and the pair.

        Flow, source and pair share one table: a pair of text and number, a text, three texts.
        """
        young = self._young
        if now >= self._turn_at or len(young) + 3 > self._capacity:
            young = self._turn(now)
        young[remote] = young[source] = young[source, realm, user] = None

    def __contains__(self, key: Hashable) -> bool:
        return key in self._young or key in self._old

    def discard(self, key: Hashable) -> None:
        """Take a proof back; harmless when there is none."""
        self._young.pop(key, None)
        self._old.pop(key, None)

    def expire(self, now: float) -> None:
        """Let go what is past its time though nobody has proven himself since."""
        if now >= self._turn_at:
            self._turn(now)

    def _turn(self, now: float) -> dict[Hashable, None]:
        # After two lifetimes without anybody neither generation counts any more.
        self._old = self._young if now < self._turn_at + self._lifetime_s else {}
        self._young = {}
        self._turn_at = now + self._lifetime_s
        return self._young
