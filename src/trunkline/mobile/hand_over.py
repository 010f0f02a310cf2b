"""A call is handed over to one device: pushed, fetched, accepted, confirmed, or over before.

    TABLE[state][input] = (next_state, (action, ...))      as in ``proto.sip.transaction.machine``

The device is told of the call over its live channel, if it has one, and by exactly one push. T1 runs until it gets in
touch, T2 until it accepts. The fork, the caller and the other devices may end it at any moment; whatever comes after
that finds a final state.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

from trunkline.base.errors import CallFailed
from trunkline.base.messages.app_calls import AppCallOffer
from trunkline.base.wheel import Timer
from trunkline.mobile.app_party import ACTIVE, OVER, PENDING, AppParty
from trunkline.mobile.outcome import Outcome, outcome_of
from trunkline.mobile.pushing import CallFacts, is_pushable
from trunkline.mobile.rows import row_of
from trunkline.mobile.wake_up import WakeUp
from trunkline.mobile.words import (
    ACCEPT,
    ACCEPTED,
    ALONE,
    ANSWER,
    ANSWERED,
    CANCEL,
    CANCELLED,
    CONFIRM,
    CONFIRMED,
    CONTACT,
    ELSEWHERE,
    END,
    ENDED,
    EXPIRED,
    FINAL,
    GONE,
    HANG_UP,
    LOSE,
    OPEN,
    PUSH,
    QUEUED,
    REACHED,
    REJECT,
    RING,
    RINGING,
    SENT,
    TAKEN,
    TAKEN_UP,
    TIMEOUT,
    TOLD,
    UNTAKEN,
)
from trunkline.model.device import MobileDevice
from trunkline.proto.sip.reasons import Q850, reason_phrase

if TYPE_CHECKING:
    from trunkline.mobile.office import Office
    from trunkline.mobile.ringing import Ringing

Action: TypeAlias = Callable[[Any, Any], None]
Table: TypeAlias = dict[str, dict[str, tuple[str, tuple[Action, ...]]]]
Enter: TypeAlias = "Callable[[HandOver, Any], Ringing]"

DECLINED: Final = 603
_NO_ONE: Final = 20  # ITU-T Q.850: subscriber absent
_NO_ANSWER: Final = 19
_NO_CALL: Final = CallFacts("", "", "")


class HandOver(AppParty):
    """One device's part in a call that comes in. It begins when a fork offers it the call."""

    def __init__(self, office: Office, device: MobileDevice, enter: Enter) -> None:
        """``enter(hand_over, leg)`` gives it its token and its place among those that ring for the same call."""
        super().__init__(office, "", device.tenant, device.owner, device.id)
        self.state = TOLD
        self.device = device
        self.offer = b""
        self.facts = _NO_CALL
        self.ringing: Ringing | None = None
        self.expires_at = 0.0  # wall-clock seconds: when nobody waits for the device any more
        self.answer = b""  # the app's description, until the call is up
        self.accepted = b""  # SHA-256 of the description that it was accepted with
        self.reached = False
        self.wake_up = WakeUp()
        self.to_come = 0
        """How many more devices the call is about to be handed over to, after this one."""
        self._enter = enter
        self._alarm: Timer | None = None
        self._live_patience: Timer | None = None

    @property
    def status(self) -> str:
        if self.state in FINAL:
            return OVER
        return ACTIVE if self.state == CONFIRMED else PENDING

    @property
    def home(self) -> str:
        """Its own exchange's: who calls may be somebody of another, or stay unknown."""
        return self.office.domain_of(self.device.account_id) or super().home

    @property
    def is_open(self) -> bool:
        """Whether it can still be accepted."""
        return self.state in OPEN

    def offer_row(self) -> AppCallOffer:
        return AppCallOffer(
            call_token=self.token,
            caller=self.facts.caller,
            caller_name=self.facts.name or None,
            sdp_offer=self.offer.decode("utf-8", "surrogateescape"),
            call_id=self.facts.call_id,
            expires_at=self.expires_at,
        )

    def step(self, what: str, argument: Any = None) -> bool:
        """Run one input through the table; False when the state has no use for it."""
        row = self.TABLE[self.state].get(what)
        if row is None:
            return False
        before, self.state = self.state, row[0]
        for action in row[1]:
            action(self, argument)
        if self.state != before and self.state == row[0]:
            self._changed()
        return True

    def _changed(self) -> None:
        if self.state in FINAL:
            self._close()
        else:
            self._keep()
        self.wake()

    def _keep(self) -> None:
        if self.state == SENT:
            return  # whoever finds the row of a queued push takes it for sent, and the call is as it was written
        if self.state != QUEUED:  # that row is written by whoever sends the push, before it goes
            self.office.journal.keep(row_of(self))
        if self.is_open and self.ringing is not None:
            self.ringing.checkpoint()  # once it is answered the call writes itself down

    # What the call says (call.app_leg.AppSide)

    def offered(self, leg: Any, body: bytes) -> None:
        """This call is the device's to take; an empty body wants an offer."""
        office = self.office
        self.leg, self.offer = leg, body
        self.started_at = office.wall()
        self.ringing = self._enter(self, leg)
        self.join(leg)
        live, pushable = office.live.is_live(self.device_id), is_pushable(self.device)
        if not live and not pushable:
            self._give_up(self.device.disabled_why or "the device has no push token")
            return
        self.expires_at = office.wall() + office.policy.contact_s
        self._wait(office.policy.contact_s)
        self.tell_incoming()
        if live:
            if pushable:
                self._be_patient()
            self._keep()
            office.spawn(self._await_disk(self.ringing))
        else:
            self.step(PUSH)

    async def _await_disk(self, ringing: Ringing) -> None:
        await self.office.journal.on_disk()
        ringing.kept(self)

    def taken(self, _leg: Any) -> None:
        """The caller's 200 is out."""
        if self.ringing is not None:
            self.ringing.answered()

    def confirmed(self, _leg: Any, body: bytes) -> None:
        """The caller's ACK came; ``body`` answers the app's offer."""
        self.step(CONFIRM, body)

    def failed(self, leg: Any, failure: CallFailed) -> None:
        self.ended(leg, failure.said, failure.code, "exchange")

    def ended(self, _leg: Any, reason: str, code: str, by: str) -> None:
        """The call is over for this device: ``reason`` is a Reason header's value, ``code`` the record's."""
        outcome = outcome_of(reason, code, by)
        if not self.step(outcome.what, outcome):
            self.step(END, outcome)  # the leg is gone, whatever its code says

    # Actions

    def push(self, _argument: Any) -> None:
        """The one push; a phone that has one for another leg of the same caller is not pushed again."""
        self._stop_patience()
        if self.ringing is not None:
            self.ringing.checkpoint()  # before the row of the push, which is awaited
        if not self.wake_up.begin(self):
            self._wait(self.office.policy.ring_s)

    def note_sent(self, _argument: Any) -> None:
        if self.ringing is not None:
            self.ringing.pushed(self)

    def take_over(self, _argument: Any) -> None:
        """Its phone rang for another leg, which is over: it gets its own push, unless the caller gives up both now."""
        office = self.office
        self.wake_up.shared = False
        self.expires_at = office.wall() + office.policy.contact_s
        self._wait(office.policy.contact_s)
        self._be_patient()

    def miss(self, _argument: Any) -> None:
        """No push reaches the device, so nobody has to wait for it."""
        self._end(Outcome(END, "push_failed"))
        self._release(CallFailed(480, reason_phrase(480), _NO_ONE, "mobile.push_failed"))

    def reach(self, _argument: Any) -> None:
        """The device is in touch: T1 ends, T2 begins."""
        self._stop_patience()
        self.reached = True
        self.office.heard(self.device)
        self.expires_at = self.office.wall() + self.office.policy.answer_s
        self._wait(self.office.policy.answer_s)
        self.tell_story("mobile.reached", f"{self.label} is in touch")
        if self.ringing is not None:
            self.ringing.reached(self)

    def ring(self, _argument: Any) -> None:
        self.line.ring()

    def accept(self, body: bytes) -> None:
        self._stop()
        self.answer, self.accepted = body, sha256(body).digest()
        self.tell_story("mobile.accepted", f"{self.label} accepts")
        self.line.accept(body)

    def confirm(self, body: bytes) -> None:
        self.offer = self.answer = b""
        answer = {"sdp_answer": body.decode("utf-8", "surrogateescape")} if body else {}
        self.tell("call.confirmed", **answer)

    def reject(self, status: int) -> None:
        self.sip_status = status
        self._end(Outcome(END, "rejected"))
        self.line.decline(status, reason_phrase(status))

    def withdraw(self, _argument: Any) -> None:
        """The device is not its owner's any more."""
        self._end(Outcome(END, "device_removed"))
        self.tell_story("mobile.device_removed", f"{self.label} was removed")
        self._release(CallFailed(480, reason_phrase(480), _NO_ONE, "mobile.device_removed"))

    def turn_down(self, _argument: Any) -> None:
        """Hung up before it was accepted."""
        self.reject(DECLINED)

    def leave(self, _argument: Any) -> None:
        self._end(Outcome(END, "hangup"))
        self.line.leave()

    def expire(self, _argument: Any) -> None:
        """T1 or T2 is over, or the fork's own patience."""
        self._end(Outcome(TIMEOUT, "expired"))
        text = "did not answer" if self.reached else "did not get in touch"
        self.tell_story("mobile.expired", f"{self.label} {text}")
        status = self.office.policy.no_answer_status
        cause = Q850.get(status, _NO_ANSWER)
        self._release(CallFailed(status, reason_phrase(status), cause, "mobile.expired"))

    def finish(self, outcome: Outcome) -> None:
        if outcome.what == LOSE:
            self.tell_story("mobile.elsewhere", f"{self.label}: {outcome.reason.replace('_', ' ')}")
        self._end(outcome)

    # How it ends

    def _end(self, outcome: Outcome) -> None:
        """Note why; tell the live channel, and the phone."""
        self._stop()
        self.ended_at = self.office.wall()
        self.reason, self.elsewhere = outcome.reason, outcome.ours
        self.tell(outcome.event, reason=outcome.reason, sip_status=self.sip_status)
        self.wake_up.call_off(self)

    def _close(self) -> None:
        office = self.office
        self.offer = self.answer = b""
        office.journal.keep(row_of(self))  # its token is answered after a crash too, and not rung again
        ringing, self.ringing = self.ringing, None
        self.forget()
        office.calls.over(self)
        if ringing is not None:
            ringing.left(self)

    def _release(self, failure: CallFailed) -> None:
        if self.leg is not None and not self.leg.done:
            self.leg.give_up(failure)

    def _give_up(self, why: str) -> None:
        """Nothing can reach the device: nobody is to wait for it."""
        self.tell_story("mobile.no_push", f"{self.label}: {why}")
        line = self.line
        self.lose("unreachable")
        line.give_up(CallFailed(480, reason_phrase(480), _NO_ONE, "mobile.no_push"))

    def lose(self, reason: str) -> None:
        """It is over without a word to anybody."""
        self._stop()
        self.state = ENDED
        self.reason, self.ended_at = reason, self.office.wall()
        self._changed()

    # After a crash

    def resume(self, leg: Any) -> None:
        """Its call goes on, and its leg is there again; what was pushed is not pushed a second time."""
        self.leg = leg
        self.ringing = self._enter(self, leg)
        if leg.answered:
            self.state = CONFIRMED if leg.confirmed else ANSWERED
        elif self.state in TAKEN_UP and self.answer:
            self.state = ACCEPTED  # the app was told that it has the call: so it has
            leg.accept(self.answer)
        elif self.state in TAKEN_UP:
            self.state, self.accepted = REACHED, b""
        if self.is_open:
            self._wait(max(self.expires_at - self.office.wall(), 1.0))
            self.tell_incoming()
        if self.state == SENT:
            self.ringing.tell_of_earlier_push()
        if self.state == TOLD and is_pushable(self.device):
            self._be_patient()  # its live channel broke with us, and it was not pushed yet

    # Timers and words

    def _wait(self, seconds: float) -> None:
        office = self.office
        if self._alarm is not None:
            office.wheel.cancel(self._alarm)
        self._alarm = office.wheel.call_at(office.now() + seconds, self._time_out)

    def _time_out(self, _now: float) -> None:
        self._alarm = None
        self.step(TIMEOUT)

    def _be_patient(self) -> None:
        office = self.office
        self._live_patience = office.wheel.call_at(
            office.now() + office.policy.live_patience_s, self._lose_patience
        )

    def _lose_patience(self, _now: float) -> None:
        """It listens, and says nothing: perhaps its system has put it to sleep since."""
        self._live_patience = None
        self.step(PUSH)

    def _stop(self) -> None:
        self._stop_patience()
        if self._alarm is not None:
            self.office.wheel.cancel(self._alarm)
            self._alarm = None

    def _stop_patience(self) -> None:
        if self._live_patience is not None:
            self.office.wheel.cancel(self._live_patience)
            self._live_patience = None

    def tell_incoming(self) -> None:
        """Somebody calls."""
        facts = self.facts
        self.tell(
            "call.incoming",
            caller=facts.caller,
            caller_name=facts.name or None,
            call_id=facts.call_id,
            expires_at=self.expires_at,
        )

    def tell_story(self, code: str, text: str, **data: Any) -> None:
        """A step in the call's story, while it is part of one."""
        if self.ringing is not None:
            self.ringing.call.tell(code, text, **data)

    _OPEN: ClassVar[dict[str, tuple[str, tuple[Action, ...]]]] = {
        REJECT: (ENDED, (reject,)),
        HANG_UP: (ENDED, (turn_down,)),
        CANCEL: (CANCELLED, (finish,)),
        LOSE: (ELSEWHERE, (finish,)),
        TIMEOUT: (EXPIRED, (expire,)),
        END: (ENDED, (finish,)),
        GONE: (ENDED, (withdraw,)),
    }
    _UNTOUCHED: ClassVar[dict[str, tuple[str, tuple[Action, ...]]]] = {
        CONTACT: (REACHED, (reach,)),
        RING: (RINGING, (reach, ring)),
        ACCEPT: (ACCEPTED, (reach, accept)),
        **_OPEN,
    }
    TABLE: ClassVar[Table] = {
        TOLD: {PUSH: (QUEUED, (push,)), **_UNTOUCHED},
        QUEUED: {
            TAKEN: (SENT, (note_sent,)),
            UNTAKEN: (ENDED, (miss,)),
            ALONE: (TOLD, (take_over,)),
            **_UNTOUCHED,
        },
        SENT: {ALONE: (TOLD, (take_over,)), **_UNTOUCHED},
        REACHED: {RING: (RINGING, (ring,)), ACCEPT: (ACCEPTED, (accept,)), **_OPEN},
        RINGING: {ACCEPT: (ACCEPTED, (accept,)), **_OPEN},
        ACCEPTED: {
            ANSWER: (ANSWERED, ()),
            CONFIRM: (CONFIRMED, (confirm,)),
            HANG_UP: (ENDED, (leave,)),
            CANCEL: (CANCELLED, (finish,)),  # between the app's word and the caller's 200
            LOSE: (ELSEWHERE, (finish,)),
            END: (ENDED, (finish,)),
        },
        ANSWERED: {CONFIRM: (CONFIRMED, (confirm,)), HANG_UP: (ENDED, (leave,)), END: (ENDED, (finish,))},
        CONFIRMED: {HANG_UP: (ENDED, (leave,)), END: (ENDED, (finish,))},
        CANCELLED: {},
        ELSEWHERE: {},
        EXPIRED: {},
        ENDED: {},
    }


_LATE: Final = "RFC 3261 §9.2: a CANCEL has no effect on an answered INVITE"
IGNORED: Final = {
    **{(state, PUSH): "a push went, or is not needed" for state in (*OPEN[1:], *TAKEN_UP)},
    **{(TOLD, what): "no push was asked for" for what in (TAKEN, UNTAKEN)},
    (TOLD, ALONE): "it shares no push",
    **{(state, ALONE): "it is in touch" for state in (REACHED, RINGING, *TAKEN_UP)},
    **{(SENT, what): "it is sent" for what in (TAKEN, UNTAKEN)},
    **{(state, TAKEN): "the device was faster" for state in (REACHED, RINGING, *TAKEN_UP)},
    **{(state, UNTAKEN): "the device is reached without" for state in (REACHED, RINGING, *TAKEN_UP)},
    **{(state, CONTACT): "it is in touch" for state in (REACHED, RINGING, *TAKEN_UP)},
    **{(state, RING): "it rings, or rings no more" for state in (RINGING, *TAKEN_UP)},
    **{(state, ACCEPT): "it is accepted: whoever asks compares" for state in TAKEN_UP},
    **{(state, REJECT): "it is accepted: hang up instead" for state in TAKEN_UP},
    **{(state, what): "nothing was accepted" for state in OPEN for what in (ANSWER, CONFIRM)},
    **{(state, ANSWER): "it is answered" for state in (ANSWERED, CONFIRMED)},
    (CONFIRMED, CONFIRM): "a later ACK",
    **{(state, TIMEOUT): "nobody waits any more" for state in TAKEN_UP},
    **{(state, GONE): "who talks may go on" for state in TAKEN_UP},
    **{(state, CANCEL): _LATE for state in (ANSWERED, CONFIRMED)},
    **{(state, LOSE): "this device has it" for state in (ANSWERED, CONFIRMED)},
}
