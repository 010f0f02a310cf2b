"""What all registrations at one registrar share: its limits, its servers, and the queue before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trunkline.ua.registrations.outcome import AGAIN

if TYPE_CHECKING:
    from trunkline.ua.registrations.registration import Registration


class Registrar:
    """``min_expires_s`` is what its 423 asked for; ``addresses`` those of its servers, as looked up last."""

    __slots__ = ("_free_at", "_per_s", "_quiet_until", "addresses", "min_expires_s", "users", "waiting")

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._free_at = 0.0
        self._quiet_until = 0.0
        self.addresses: frozenset[str] = frozenset()
        self.min_expires_s = 0
        self.users = 0
        self.waiting: dict[Registration, None] = {}
        """Those whose last try failed, and who need not wait once it answers again."""

    def turn(self, now: float) -> float:
        """When the next REGISTER may go; each call takes a turn."""
        at = max(now, self._free_at, self._quiet_until)
        self._free_at = at + 1.0 / self._per_s
        return at

    def wants_peace(self, until: float) -> None:
        """It is overloaded, and has said until when (RFC 3261 §21.5.4)."""
        self._quiet_until = max(self._quiet_until, until)

    def answers(self) -> None:
        """It works: whoever waits for it need not wait longer than his turn takes."""
        if self.waiting:
            waiting, self.waiting = self.waiting, {}
            for one in waiting:
                one.step(AGAIN)
