"""How often somebody may do something: token buckets in a bounded table."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Final

from trunkline.api.plan import LimitPlan, Rate
from trunkline.base.messages import Refused

Clock = Callable[[], float]
_MAX_HOST: Final = 64  # no address is longer, and what a proxy passes on may be


class TooMany(Refused):
    """``retry_after_s`` is when to come back."""

    def __init__(self, what: str, retry_after_s: float) -> None:
        super().__init__("limit.rate", f"too many {what}", "come back when Retry-After says", 429)
        self.retry_after_s = max(1, int(retry_after_s + 0.999))


class Buckets:
    """A bucket for each key. The table holds ``max_keys``; who was idle longest is forgotten first.

    ``clock`` is monotonic, in seconds.
    """

    __slots__ = ("_clock", "_full", "_levels", "_max", "_per_s", "_what")

    def __init__(self, rate: Rate, what: str, max_keys: int, clock: Clock) -> None:
        self._per_s = rate.per_minute / 60
        self._full = float(rate.burst)
        self._what = what
        self._max = max_keys
        self._clock = clock
        self._levels: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._levels)

    def adjust(self, rate: Rate) -> None:
        """Another rate from now on; who has used up some of it has used up as much of the other."""
        self._per_s = rate.per_minute / 60
        self._full = float(rate.burst)

    def check(self, key: Hashable) -> None:
        """Raise TooMany when nothing is left."""
        level = self._level(key)
        if level < 1:
            raise TooMany(self._what, (1 - level) / self._per_s)

    def take(self, key: Hashable) -> None:
        """Use one up, or raise TooMany."""
        self.check(key)
        self.spend(key)

    def spend(self, key: Hashable) -> None:
        """Use one up, if there is one."""
        self._levels[key] = (max(0.0, self._level(key) - 1), self._clock())
        self._levels.move_to_end(key)
        if len(self._levels) > self._max:
            self._levels.popitem(last=False)

    def _level(self, key: Hashable) -> float:
        level, at = self._levels.get(key, (self._full, 0.0))
        return min(self._full, level + (self._clock() - at) * self._per_s)


class Limits:
    """All buckets of the API."""

    def __init__(self, plan: LimitPlan, clock: Clock = time.monotonic) -> None:
        self.sources = Buckets(
            plan.per_source, "requests without a token from this address", plan.max_keys, clock
        )
        self.subjects = Buckets(plan.per_subject, "requests of this user", plan.max_keys, clock)
        self.failures = Buckets(plan.failures, "wrong credentials from this address", plan.max_keys, clock)
        self.tokens = Buckets(plan.tokens, "tokens asked for by this address", plan.max_keys, clock)
        self.devices = Buckets(plan.devices, "registrations", plan.max_keys, clock)
        self.calls = Buckets(plan.calls, "calls", plan.max_keys, clock)
        self.pushes = Buckets(plan.pushes, "test notifications", plan.max_keys, clock)

    def adjust(self, plan: LimitPlan) -> None:
        """Other rates from now on."""
        self.sources.adjust(plan.per_source)
        self.subjects.adjust(plan.per_subject)
        self.failures.adjust(plan.failures)
        self.tokens.adjust(plan.tokens)
        self.devices.adjust(plan.devices)
        self.calls.adjust(plan.calls)
        self.pushes.adjust(plan.pushes)


def source_key(host: str) -> str:
    """Whom an address stands for: itself, its /64 for IPv6, since a home has as many as it likes of these."""
    return _source_key(host[:_MAX_HOST])


@lru_cache(maxsize=4096)
def _source_key(host: str) -> str:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
