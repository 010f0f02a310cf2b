"""The order in which SRV records are tried (RFC 2782)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TypeAlias

from trunkline.net.dns.records import Srv

Dice: TypeAlias = Callable[[int], int]
"""``dice(n)`` is a whole number, 0..n, each as likely as any other."""


def in_trial_order(servers: Sequence[Srv], dice: Dice) -> list[Srv]:
    """All servers: lower priorities first, among equals a draw in which each weighs its weight."""
    ranked = sorted(servers, key=lambda server: server.priority)
    return [
        server
        for _, alike in groupby(ranked, key=lambda server: server.priority)
        for server in _drawn(list(alike), dice)
    ]


def _drawn(alike: list[Srv], dice: Dice) -> list[Srv]:
    """RFC 2782, "Weight": those of weight 0 first, so that they have a small chance and no more."""
    left = sorted(alike, key=lambda server: server.weight > 0)
    drawn = []
    while left:
        lot = dice(sum(server.weight for server in left))
        for index, server in enumerate(left):
            lot -= server.weight
            if lot <= 0:
                drawn.append(left.pop(index))
                break
    return drawn
