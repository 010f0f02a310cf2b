"""One target of a fork and the servers that it may be reached by, tried in turn (RFC 3263 §4.3)."""

from __future__ import annotations

from trunkline.call.sip_leg import SipLeg
from trunkline.call.target import Target
from trunkline.ua.next_hops import Ways
from trunkline.ua.sessions import ClientSession


class Trial:
    """``ring_until`` is when the target has rung long enough, in the loop's time; all servers share it."""

    __slots__ = ("breadth", "like", "ring_until", "target", "ways")

    def __init__(self, target: Target, ways: Ways, ring_until: float) -> None:
        self.target = target
        self.ways = ways
        self.ring_until = ring_until
        self.breadth = 0  # what its branches may spend (RFC 5393), once it has a share
        self.like: tuple[str, str] | None = None

    def goes_on(self, leg: SipLeg, now: float) -> bool:
        """Whether a leg that failed leaves another server to ask; the one that it was sent to is blamed."""
        failure = leg.hop_failure
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
        return self.ways.more and now < self.ring_until
