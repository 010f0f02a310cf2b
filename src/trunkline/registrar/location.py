"""Bindings in memory: where somebody can be reached, now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from trunkline.model.binding import Binding

NOBODY: Final[tuple[Binding, ...]] = ()

Watch: TypeAlias = Callable[[Binding, str], None]
"""Hears of each binding that came or went, with the event of RFC 3680 §4.1.2; not of refreshes."""


class Location:
    """Bindings by address of record, (tenant, user). Times are wall-clock seconds.

    Expired bindings are invisible at once and swept now and then; ``count`` includes them until then.
    """

    __slots__ = ("_by_aor", "count", "watchers")

    def __init__(self) -> None:
        self.watchers: list[Watch] = []
        self._by_aor: dict[tuple[str, str], list[Binding]] = {}
        self.count = 0

    def restore(self, bindings: Iterable[Binding], now: float) -> int:
        """Take in what was kept over a restart; returns how many still live."""
        taken = 0
        for binding in bindings:
            if binding.expires_at > now:
                self.add(binding)
                taken += 1
        return taken

    def of(self, tenant: str, user: str, now: float) -> list[Binding]:
        """The live bindings of an AOR, best q first, then newest first (RFC 3261 §16.6)."""
        known = self._by_aor.get((tenant, user))
        if known is None:
            return []
        live = [binding for binding in known if binding.expires_at > now]
        if len(live) > 1:
            live.sort(key=lambda b: (-b.q, -b.registered_at))
        return live

    def all_of(self, tenant: str, user: str) -> list[Binding] | tuple[Binding, ...]:
        """All bindings of an AOR as they stand, expired ones included; not to be changed by the caller."""
        return self._by_aor.get((tenant, user), NOBODY)

    def add(self, binding: Binding) -> None:
        key = (binding.tenant, binding.user)
        known = self._by_aor.get(key)
        if known is None:
            self._by_aor[key] = [binding]
        else:
            known.append(binding)
        self.count += 1
        for watch in self.watchers:
            watch(binding, "registered")

    def remove(self, binding: Binding, event: str = "unregistered") -> None:
        """Take a binding out; ``event`` is why, as RFC 3680 §4.1.2 has it: unregistered, expired, deactivated."""
        key = (binding.tenant, binding.user)
        known = self._by_aor.get(key)
        if known is not None and binding in known:
            known.remove(binding)
            self.count -= 1
            if not known:
                del self._by_aor[key]
            for watch in self.watchers:
                watch(binding, event)

    def sweep(self, now: float, is_lost: Callable[[Binding], bool] | None = None) -> list[Binding]:
        """Take out and return what has expired, and WebSocket clients of which ``is_lost`` says so."""
        gone = [b for known in self._by_aor.values() for b in known if b.expires_at <= now]
        if is_lost is not None:
            gone += [b for b in self if b.by_websocket and b.expires_at > now and is_lost(b)]
        for binding in gone:
            self.remove(binding, "expired")
        return gone

    def __iter__(self) -> Iterator[Binding]:
        for known in self._by_aor.values():
            yield from known
