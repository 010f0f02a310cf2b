"""One target of a fork and the ways that it may be reached by, tried in turn.

They are the servers of its domain (RFC 3263 §4.3), or the flows of one phone (RFC 5626 §7).
"""

from __future__ import annotations

from typing import Final

from trunkline.call.sip_leg import HopFailure, SipLeg
from trunkline.call.target import Target
from trunkline.ua.next_hops import Ways
from trunkline.ua.sessions import ClientSession

_FLOW_FAILED: Final = frozenset({408, 430})


class Trial:
    """``ring_until`` is when the target has rung long enough, in the loop's time; all ways share it."""

    __slots__ = ("_others", "breadth", "like", "ring_until", "target", "ways")

    def __init__(self, target: Target, ways: Ways, ring_until: float) -> None:
        self.target = target
        self.ways = ways
        self.ring_until = ring_until
        self.breadth = 0  # what its branches may spend (RFC 5393), once it has a share
        self.like: tuple[str, str] | None = None
        self._others = list(target.others)

    def patience_s(self, of_flows_s: float) -> float:
        """How long the current way may stay silent; 0: as long as its transaction lasts."""
        return self.ways.patience_s or (of_flows_s if self._others else 0.0)

    def goes_on(self, leg: SipLeg, now: float) -> bool:
        """Whether a leg that failed leaves another way to try; the one that it was sent by is blamed."""
        failure = leg.hop_failure or self._flow_failure(leg)
        if failure is None:
            if (
                leg.outcome.answered_at is None
                and isinstance(leg.session, ClientSession)
                and leg.session.heard
            ):
                self.ways.answered()
            return False
        self.ways.gave_up(failure.why, failure.retry_after_s)
        if isinstance(leg.session, ClientSession):
            # RFC 3263 §4.3: the same request, but for its branch.
            self.like = leg.outcome.sip_call_id, leg.session.local_tag
        if now >= self.ring_until:
            return False
        return self.ways.more or self._takes_other_flow(leg)

    def _flow_failure(self, leg: SipLeg) -> HopFailure | None:
        """A proxy of the phone says that its flow is gone (RFC 5626 §7), which a phone does not say of itself."""
        outcome = leg.outcome
        failed = bool(self._others) and outcome.status in _FLOW_FAILED
        return HopFailure(f"{outcome.status} {outcome.reason}") if failed else None

    def _takes_other_flow(self, leg: SipLeg) -> bool:
        """Go on to another flow of the phone: not when the phone itself has refused (RFC 5626 §7)."""
        outcome = leg.outcome
        if not self._others or (outcome.ended_by == "callee" and outcome.status not in _FLOW_FAILED):
            return False
        self.target = self._others.pop(0)
        if self.target.flow is not None:
            self.ways = Ways.down(self.target.flow)
        return True
