"""Forgets the passwords of accounts whose devices were silent for long, a slice of them at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from trunkline.mobile.accounts import Account
    from trunkline.mobile.devices import Devices
    from trunkline.mobile.policy import MobilePolicy

ROUND_S: Final = 3600.0
SLICE: Final = 500
_PAUSE_S: Final = 0.05


class Purging:
    """A chore: ``step(now)`` of any steady clock says when it wants to be called again; ``wall`` is the wall clock."""

    def __init__(self, devices: Devices, policy: MobilePolicy, wall: Callable[[], float]) -> None:
        self._devices = devices
        self._policy = policy
        self._wall = wall
        self._left: list[Account] = []

    def step(self, now: float) -> float:
        """Look at some accounts."""
        if not self._policy.purge_days:
            return now + ROUND_S
        if not self._left:
            self._left = list(self._devices.accounts)
        before = self._wall() - self._policy.purge_s
        some, self._left = self._left[-SLICE:], self._left[:-SLICE]
        for account in some:
            row = account.row
            if row.secret is not None and row.used_at < before:
                self._devices.purge(account)
        return now + (_PAUSE_S if self._left else ROUND_S)
