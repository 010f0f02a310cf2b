"""Servers that failed lately: tried last until they have had time to recover."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from trunkline.net.dns import Hop
from trunkline.proto.sip.message import Response

MOST_HOPS: Final = 1024
LONGEST_S: Final = 600.0  # a server that asks for a day of peace would be forgotten for a day


class FailedHops:
    """``keep_s`` is how long a failure counts when the server did not say itself; ``now`` a clock in seconds."""

    def __init__(self, now: Callable[[], float], keep_s: float = 30.0) -> None:
        self._now = now
        self._keep_s = keep_s
        self._until: OrderedDict[Hop, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def add(self, hop: Hop, retry_after_s: float | None = None) -> None:
        """It failed; ``retry_after_s`` is what its 503 asked for (RFC 3261 §21.5.4), within bounds."""
        for_s = self._keep_s if retry_after_s is None else min(max(retry_after_s, 1.0), LONGEST_S)
        self._until[hop] = self._now() + for_s
        self._until.move_to_end(hop)
        if len(self._until) > MOST_HOPS:
            self._until.popitem(last=False)

    def forget(self, hop: Hop) -> None:
        """It works; harmless when it was not known to fail."""
        self._until.pop(hop, None)

    def failed(self, hop: Hop) -> bool:
        """Whether it failed and its time is not over."""
        until = self._until.get(hop)
        if until is None:
            return False
        if self._now() < until:
            return True
        del self._until[hop]
        return False

    def put_last(self, hops: Sequence[Hop]) -> list[Hop]:
        """The same hops, those that failed lately at the end, the one that recovers first before others."""
        if not self._until:
            return list(hops)
        bad = [hop for hop in hops if self.failed(hop)]
        good = [hop for hop in hops if hop not in bad]
        return good + sorted(bad, key=lambda hop: self._until[hop])


def retry_after_s(response: Response) -> float | None:
    """Seconds of a Retry-After (RFC 3261 §20.33), None when there is none or it makes no sense."""
    digits = response.headers.get("Retry-After", "").strip().partition(";")[0].partition("(")[0].strip()
    return float(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 9 else None
