"""One call that rings apps: what its caller hears meanwhile, and who of its devices are still in the race."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trunkline.base.wheel import Timer
from trunkline.call.sip_leg import SipLeg
from trunkline.mobile.pushing import MAX_NAME, CallFacts, plain
from trunkline.mobile.words import ACCEPTED, ALONE, ANSWER, ENDED, EXPIRED, REJECT, TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from trunkline.call.call import Call
    from trunkline.mobile.hand_over import HandOver
    from trunkline.mobile.office import Office

RINGS: Final = 180
_MOST_NUMBER: Final = 128
_MOST_DOMAIN: Final = 128
_NO_PHONE: Final = frozenset({"push_failed", "unreachable"})
_PUSHES: Final = ("mobile.push_sent", "mobile.push_failed", "mobile.push_earlier")
QUEUED: Final = 182  # it is not lost, and nothing rings yet


class Ringing:
    """``entered`` are its hand-overs that are not over. ``on_empty`` is told when the last one leaves."""

    def __init__(
        self, office: Office, call: Call, claims: Claims, on_empty: Callable[[Ringing], object]
    ) -> None:
        self.office = office
        self.call = call
        self.facts = facts_of(call)
        self.entered: dict[HandOver, None] = {}
        self._unkept: set[HandOver] = set()  # those that a crash would lose
        self._to_come = 0  # how many are yet to enter: each waits for its ports
        self._claims = claims
        self._on_empty = on_empty
        self._rang = False
        self._to_be_kept = False
        self._timer: Timer | None = None

    def enter(self, one: HandOver) -> None:
        """One more device."""
        self.entered[one] = None
        self._unkept.add(one)
        self._to_come = one.to_come
        if self._timer is None:
            self._repeat_later()

    # What a hand-over says

    def kept(self, one: HandOver) -> None:
        """The call and its part in it are on disk, or the disk is too slow: with the last the caller may rely on us."""
        self._keeps(one)
        if self.office.policy.provisional == "on_invite":
            self._ring(one)

    def _keeps(self, one: HandOver) -> None:
        self._unkept.discard(one)
        if not self._unkept and not self._to_come:
            self.call.is_kept()

    def pushed(self, one: HandOver) -> None:
        """A provider has taken its push."""
        if self.office.policy.provisional == "on_push_accepted":
            self._ring(one)

    def tell_of_earlier_push(self) -> None:
        """A push went in the last moments of the process before us, and the story ends at its being queued."""
        codes = [step.code for step in self.call.story.steps]
        if codes.count("mobile.push_queued") > sum(codes.count(code) for code in _PUSHES):
            self.call.tell(
                "mobile.push_earlier",
                "a push was handed over before the restart; nobody knows whether its service took it",
            )

    def reached(self, one: HandOver) -> None:
        """A device is in touch, which is more than a push that was taken."""
        self._ring(one)

    def claim_push(self, one: HandOver) -> bool:
        """Whether the phone is to be pushed for this leg."""
        return self._claims.claim(one)

    def checkpoint(self) -> None:
        """Write the call down, once for all that its legs do in this moment."""
        if not self._to_be_kept:
            self._to_be_kept = True
            self.call.context.endpoint.loop.call_soon(self._keep)

    def _keep(self) -> None:
        self._to_be_kept = False
        # Between an app's word and the bridge there is nothing that could be carried on better than what rang; where
        # a call is handed on, nothing better than who talked before.
        call = self.call
        if all(one.is_open for one in self.entered) and not call.caller_leg.done and call.transfer is None:
            call.keep()

    def left(self, one: HandOver) -> None:
        """It is over for a device."""
        self.entered.pop(one, None)
        self._keeps(one)
        self._claims.let_go(one)
        if not self.entered:
            self._stop()
            self._on_empty(self)

    def answered(self) -> None:
        """The caller's 200 is out."""
        self._stop()
        for one in tuple(self.entered):
            if one.state == ACCEPTED:
                one.step(ANSWER)

    # What the caller hears

    def _ring(self, one: HandOver) -> None:
        if not self._rang and one.leg is not None:
            self._rang = True
            one.leg.ring()
            caller = self.call.caller_leg
            if isinstance(caller, SipLeg) and caller.rings_reliably:
                self.checkpoint()  # its PRACK may find another process (RFC 3262 §3)

    def _repeat_later(self) -> None:
        office = self.office
        self._timer = office.wheel.call_at(office.now() + office.policy.repeat_s, self._repeat)

    def _repeat(self, _now: float) -> None:
        """RFC 3261 §13.3.1.1: a provisional each minute, or proxies on the way cancel the call."""
        caller = self.call.caller_leg
        self._timer = None
        if not caller.done and caller.outcome.answered_at is None:
            caller.progress(RINGS if self._rang else QUEUED, b"")
            self._repeat_later()

    def _stop(self) -> None:
        if self._timer is not None:
            self.office.wheel.cancel(self._timer)
            self._timer = None


class Claims:
    """Which hand-over pushes a phone: a caller's exchange that forks to two accounts on one phone rings it once."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str, str], HandOver] = {}
        self._others: dict[HandOver, list[HandOver]] = {}

    def claim(self, one: HandOver) -> bool:
        """True for the first of a (Call-ID, push token)."""
        first = self._first.setdefault(_key(one), one)
        if first is one:
            return True
        self._others.setdefault(first, []).append(one)
        return False

    def take(self, one: HandOver) -> None:
        """It was pushed by the process before us, or shares a push of that one; who was pushed is taken first."""
        first = self._first.setdefault(_key(one), one)
        if first is not one and one.wake_up.shared:
            self._others.setdefault(first, []).append(one)

    def let_go(self, one: HandOver) -> None:
        """It is over: what its user said, or did not say, holds for those that rang by the same push.

        What the caller, an operator or another device did holds for this leg alone.
        """
        key = _key(one)
        if self._first.get(key) is one:
            del self._first[key]
        for other in self._others.pop(one, ()):
            if one.state == ENDED and one.reason == "rejected":
                other.step(REJECT, one.sip_status)
            elif one.state == EXPIRED or (one.state == ENDED and (one.accepted or one.reason in _NO_PHONE)):
                other.step(TIMEOUT)
            else:
                other.step(ALONE)

    def __len__(self) -> int:
        return len(self._first)


def _key(one: HandOver) -> tuple[str, str, str]:
    return one.tenant, one.facts.call_id, one.device.push_token


def facts_of(call: Call) -> CallFacts:
    """What a device is told of a call; its caller may want to stay unknown."""
    # Where a call is handed on, who stays is who calls.
    caller = call.caller if call.fork is None else call.fork.errand.caller
    call_id = plain(call.legs[0].outcome.sip_call_id or call.id)
    if caller.anonymous:
        return CallFacts(call.id, call_id, "")
    who = f"{plain(caller.number, _MOST_NUMBER)}@{plain(caller.domain, _MOST_DOMAIN)}"
    return CallFacts(call.id, call_id, who, plain(caller.name, MAX_NAME))
