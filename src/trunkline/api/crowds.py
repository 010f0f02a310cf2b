"""How much is under way at a time: for each subject or source, and together."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from ipaddress import ip_network

from trunkline.api.limits import TooMany, source_key
from trunkline.net.fence.source import is_within


class Crowd:
    """Counts what is under way, for each key and together; ``refused`` counts what was not let in."""

    __slots__ = ("_all", "_counts", "_together", "_what", "each", "refused")

    def __init__(self, what: str, each: int, together: int) -> None:
        self._what = what
        self.each = each
        self._all = together
        self._counts: dict[Hashable, int] = {}
        self._together = 0
        self.refused = 0

    def __len__(self) -> int:
        return self._together

    def enter(self, key: Hashable) -> None:
        """Raises TooMany when there are enough."""
        if self._counts.get(key, 0) >= self.each or self._together >= self._all:
            self.refused += 1
            raise TooMany(self._what, 5)
        self._together += 1
        self._counts[key] = self._counts.get(key, 0) + 1

    def leave(self, key: Hashable) -> None:
        """One that has entered is over."""
        self._together -= 1
        left = self._counts[key] - 1
        if left > 0:
            self._counts[key] = left
        else:
            self._counts.pop(key, None)


class Sources:
    """Connections and requests by where they come from: an IPv4 address, or an IPv6 /64.

    A trusted proxy's connections carry many clients: they are not counted, but what is asked by them is, for the client
    that the proxy names.
    """

    def __init__(self, each: int, together: int, proxies: Iterable[str]) -> None:
        self.connections = Crowd("connections from this address", each, together)
        self.requests = Crowd("requests under way from this address", each, together)
        self.adjust(each, proxies)

    def adjust(self, each: int, proxies: Iterable[str]) -> None:
        """Others from now on; what is counted stays counted until it is over."""
        self.connections.each = self.requests.each = each
        self._proxies = tuple(ip_network(one, strict=False) for one in proxies if one != "*")
        self._all = "*" in tuple(proxies)

    def connected(self, peer: str) -> str | None:
        """The key of a connection that is counted from now on, None for a proxy's. Raises TooMany."""
        key = source_key(peer)
        if not key or self._all or is_within(key, self._proxies):
            return None
        self.connections.enter(key)
        return key

    @property
    def refused(self) -> int:
        """How many connections and requests were turned away."""
        return self.connections.refused + self.requests.refused
