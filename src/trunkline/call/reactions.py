"""What a call does when one of its legs speaks up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trunkline.base.errors import CallFailed
from trunkline.call.app_leg import AppLeg
from trunkline.call.leg import Info, Leg
from trunkline.call.referring import refer_within
from trunkline.proto.sip.transaction.incoming import Incoming

if TYPE_CHECKING:
    from trunkline.call.call import Call


class Reactions:
    """The call as ``call.leg.LegObserver``: synchronous, for a leg speaks in the middle of a message."""

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        self._call = call

    @property
    def call(self) -> Call:
        """Whose legs these are."""
        return self._call

    # Before the answer

    def leg_progress(self, leg: Leg, status: int, body: bytes, *, reliable: bool = False) -> None:
        call = self._call
        if call.fork is None:
            return
        code = "leg.ringing" if status == 180 else "leg.progress"
        call.tell(code, f"{leg.outcome.target}: {status}", status=status)
        if call.transfer is None or not call.transfer.progress(leg, status):
            call.early.progress(leg, status, body, reliable=reliable)

    def leg_answered(self, leg: Leg, body: bytes) -> None:
        if self._call.fork is not None:
            self._call.fork.answered(leg, body)
        else:
            leg.hang_up(code="call.too_late")

    def leg_failed(self, leg: Leg, failure: CallFailed) -> None:
        call, outcome = self._call, leg.outcome
        call.tell("leg.failed", f"{outcome.target}: {outcome.status} {outcome.reason}", status=outcome.status)
        if call.fork is not None:
            call.fork.failed(leg, failure)

    def leg_cancelled(self, leg: Leg, reason: str | None) -> None:
        call = self._call
        if call.transfer is not None and call.transfer.outlives(leg):
            call.transfer.left(leg)
            return
        call.tell("call.cancelled", f"{call.caller.number} gave up")
        call.hang_up(reason or "", code="call.cancelled", by="caller")

    # After it

    def leg_acknowledged(self, leg: Leg, body: bytes) -> None:
        call = self._call
        if call.transfer is not None and call.transfer.acknowledged(leg, body):
            return
        if call.bridge is not None:
            call.bridge.acknowledged(leg, body)
        elif call.service is not None:
            call.context.spawn(call.service.acknowledged(body))
        elif call.fork is not None:
            call.early.acknowledged(body)

    def leg_offer(self, leg: Leg, body: bytes) -> None:
        call = self._call
        call.changes += 1
        if call.bridge is not None:
            if leg in call.bridge:
                call.bridge.offered(leg, body)
            else:
                leg.refuse_offer(491)  # it is yet to come in by a transfer, or out already
        elif call.service is not None and call.service.serves(leg):
            call.context.spawn(call.service.offered(body))
        elif call.fork is not None:
            call.early.offered(leg, body)
        else:
            leg.refuse_offer(491)  # RFC 3261 §14.2: the first offer is not through yet

    def leg_offer_withdrawn(self, leg: Leg) -> None:
        bridge = self._call.bridge
        if bridge is not None and leg in bridge:
            bridge.withdrawn(leg)

    def leg_info(self, leg: Leg, info: Info) -> None:
        bridge = self._call.bridge
        if bridge is not None and leg in bridge:
            bridge.info(leg, info)
        else:
            if self._call.service is not None:
                self._call.service.hear_info(info)
            info.answer(200 if info.method == "INFO" else 488)  # nobody here reads texts

    def leg_refer(self, leg: Leg, request: Incoming) -> None:
        refer_within(self._call, leg, request)

    def leg_notify(self, leg: Leg, request: Incoming) -> bool:
        bridge = self._call.bridge
        other = bridge.other(leg) if bridge is not None and leg in bridge else None
        if not isinstance(other, AppLeg) or other.referral is None:
            return False
        other.referral.receive(request)
        return True

    def leg_ended(self, leg: Leg, reason: str | None) -> None:
        call, outcome = self._call, leg.outcome
        bridge = call.bridge
        left = bridge is not None and leg not in bridge
        if left or (call.transfer is not None and call.transfer.outlives(leg)):
            call.tell("call.left", f"{outcome.target} left the call", why=outcome.code)
            if call.transfer is not None:
                call.transfer.left(leg)
            return
        parties = {"caller": call.caller.number, "callee": outcome.target}
        who = parties.get(outcome.ended_by, "the exchange")
        text = f"{who} hung up" if outcome.code == "call.hangup" else f"ended: {outcome.code}"
        call.tell("call.ended", text)
        call.hang_up(reason or "", code=outcome.code, by=outcome.ended_by)


class _Over:
    """Whom a leg tells when its call is closed: nobody."""

    def leg_progress(self, leg: Leg, status: int, body: bytes, *, reliable: bool = False) -> None:
        """It rings for nobody."""

    def leg_answered(self, leg: Leg, body: bytes) -> None:
        leg.hang_up(code="call.too_late")

    def leg_failed(self, leg: Leg, failure: CallFailed) -> None:
        """It is on record."""

    def leg_cancelled(self, leg: Leg, reason: str | None) -> None:
        """As above."""

    def leg_acknowledged(self, leg: Leg, body: bytes) -> None:
        """As above."""

    def leg_ended(self, leg: Leg, reason: str | None) -> None:
        """As above."""

    def leg_offer(self, leg: Leg, body: bytes) -> None:
        leg.refuse_offer(481)

    def leg_offer_withdrawn(self, leg: Leg) -> None:
        """It is refused."""

    def leg_info(self, leg: Leg, info: Info) -> None:
        info.answer(481)

    def leg_refer(self, leg: Leg, request: Incoming) -> None:
        request.respond(481)

    def leg_notify(self, leg: Leg, request: Incoming) -> bool:
        return False


OVER: Final = _Over()
