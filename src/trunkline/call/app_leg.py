"""A leg that is a mobile app behind REST: no dialog, no socket; what it does arrives as calls of methods.

What the app is told goes to its ``AppSide``. A call is handed to an app by a fork (``Target(app=side)``), or begins
at one (``Call.begin_app``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from trunkline.base.errors import CallFailed, LocalProtocolError
from trunkline.base.ids import uuid7
from trunkline.call.app_changes import AppChanges
from trunkline.call.app_referral import transfer_by_app
from trunkline.call.failures import passed_on
from trunkline.call.key_presses import press_keys
from trunkline.call.leg import Info, LegKind, LegObserver
from trunkline.call.leg_media import LegMedia
from trunkline.call.leg_outcome import LegOutcome
from trunkline.media.offer_answer import check_answer, streams_of
from trunkline.proto.sip.reason_header import q850_cause
from trunkline.proto.sip.reasons import reason_phrase

if TYPE_CHECKING:
    from trunkline.base.wheel import Timer
    from trunkline.call.app_referral import NotifiedReferral
    from trunkline.call.call import Call
    from trunkline.call.context import CallContext

OnDone: TypeAlias = Callable[[int, bytes], None]
"""Called once, never within the method that was given it unless it cannot begin: a SIP status, a description or b""."""


class AppSide(Protocol):
    """What an app is told of its leg. All are called synchronously, in order; they must not raise.

    ``label`` says in stories and records whom it means. A leg that was ``offered``, or that began a call, is told its
    end exactly once, whoever ended it: by ``failed``, or else by ``ended``.
    """

    label: str

    def offered(self, leg: AppLeg, body: bytes) -> None:
        """As callee: this call is yours to take. ``body`` is the caller's offer; b"": make the offer in ``accept``."""

    def taken(self, leg: AppLeg) -> None:
        """As callee: the caller was told that the app has the call; its ACK is awaited."""

    def confirmed(self, leg: AppLeg, body: bytes) -> None:
        """The call is up: the caller's ACK came. ``body`` answers an offer of the app's, or is empty.

        Told again, with a body, when a later offer of the app's was answered by an ACK.
        """

    def progressed(self, leg: AppLeg, status: int, body: bytes) -> None:
        """As caller: 101..199 of a callee, with its description when there is early media."""

    def answered(self, leg: AppLeg, body: bytes) -> None:
        """As caller: they talk. ``confirmed`` follows at once."""

    def failed(self, leg: AppLeg, failure: CallFailed) -> None:
        """As caller: nobody answered. ``failure.status`` is what the callee said, also where a phone gets another."""

    def ended(self, leg: AppLeg, reason: str, code: str, by: str) -> None:
        """It is over. ``reason`` is a Reason header's value, or ""; ``code`` a story code, such as ``call.cancelled``,
        ``call.elsewhere``, ``call.no_ack``; ``by`` is ``caller``, ``callee`` or ``exchange``."""

    def asked(self, leg: AppLeg, body: bytes) -> bool:
        """The other party changes the session: ``answer_change`` or ``refuse_change``. b"": make the offer.

        False when the app cannot be reached now: the change is refused with 488.
        """
        ...

    def withdrawn(self, leg: AppLeg) -> None:
        """The change that was asked for is no more: cancelled, or not answered in time."""

    def informed(self, leg: AppLeg, info: Info) -> bool:
        """An INFO or MESSAGE within the call; False when it cannot be passed on: 415 or 488. Do not answer it."""
        ...


RINGING: Final = 180


class AppLeg:
    """One app's party of a call. ``direction`` of the outcome is ``in`` for who began the call, ``out`` else.

    ``said`` is the app's description that stands, ``held`` whether the app holds the call, ``confirmed`` whether the
    call is up. The methods under "What the app does" raise LocalProtocolError where the leg's state forbids them.
    """

    __slots__ = (
        "_changes",
        "_told",
        "confirmed",
        "context",
        "done",
        "id",
        "kind",
        "media",
        "observer",
        "outcome",
        "referral",
        "ring_timer",
        "rings_until",
        "said",
        "side",
    )

    def __init__(
        self, context: CallContext, observer: LegObserver, media: LegMedia, outcome: LegOutcome, side: AppSide
    ) -> None:
        self.context = context
        self.observer = observer
        self.media = media
        self.outcome = outcome
        self.side = side
        self.id = uuid7()
        self.kind = LegKind.APP
        self.done = False
        self.confirmed = False
        self.said = b""
        self.ring_timer: Timer | None = None
        self.rings_until = 0.0
        self.referral: NotifiedReferral | None = None
        self._changes: AppChanges | None = None
        self._told = False  # whether the side knows of the leg

    @property
    def call(self) -> Call:
        """Whose leg this is."""
        call: Call = getattr(self.observer, "call")  # noqa: B009  (the protocol does not name it)
        return call

    @property
    def changes(self) -> AppChanges:
        """What it, or the other party, changes."""
        if self._changes is None:
            self._changes = AppChanges(self)
        return self._changes

    @property
    def across(self) -> AppLeg | Any | None:
        """The leg of the other party; None while nobody talks, and when it is over."""
        bridge = self.call.bridge if not self.done else None
        return bridge.other(self) if bridge is not None and self in bridge else None

    @property
    def ends_here(self) -> bool:
        """Whether its media comes to us."""
        return not self.media.passes

    @property
    def answered(self) -> bool:
        return self.outcome.answered_at is not None

    @property
    def held(self) -> bool:
        return self.changes.held

    # The two ways to begin

    def dial(self, body: bytes, ring_s: float) -> None:
        """Hand the call to the app; the leg fails with 480 when it is not taken within ``ring_s`` seconds."""
        self.ring_for(ring_s)
        self._told = True
        self.side.offered(self, body)

    def ring_for(self, seconds: float) -> None:
        """How long the app may take from now on."""
        self._stop_ringing()
        endpoint = self.context.endpoint
        self.rings_until = endpoint.now() + seconds
        self.ring_timer = endpoint.wheel.call_at(self.rings_until, self._no_answer)

    def begin(self, offer: bytes) -> None:
        """Become the caller, with this offer."""
        self.said = offer
        self._told = True

    def _no_answer(self, _now: float) -> None:
        self.ring_timer = None
        self.give_up(CallFailed(480, "No Answer", 19, "call.no_answer"))

    def give_up(self, failure: CallFailed) -> None:
        """The exchange ends the attempt, before or after the app was told of it."""
        self._fail(failure, "exchange", failure.status, failure.reason)

    # What the app does

    def ring(self, status: int = RINGING) -> None:
        """As callee: tell the caller that the app rings (101..199); again to keep the caller's patience."""
        if self.outcome.direction != "out":
            raise LocalProtocolError("only who is called rings")
        if not self.done and not self.answered:
            self.observer.leg_progress(self, status, b"")

    def accept(self, body: bytes) -> None:
        """As callee: take the call, with an answer, or with an offer where none was made. The same again is no harm.

        Raises RemoteProtocolError for a description that cannot be read, or does not answer the offer; nothing has
        happened then.
        """
        if self.done or self.outcome.direction != "out":
            raise LocalProtocolError("the call is over, or was not offered to this app")
        if self.answered:
            if body != self.said:
                raise LocalProtocolError("the call was accepted with another description")
            return
        fork = self.call.fork
        if fork is not None and fork.errand.asked.offer:
            plain = self.media.read(body, answer=True)
            check_answer(fork.errand.asked.streams, plain)
        else:
            plain = self.media.read(body)
            streams_of(plain)
        self._stop_ringing()
        self.outcome.answered_at = self.context.wall()
        self.said = body
        self.observer.leg_answered(self, plain)

    def decline(self, status: int = 603, reason: str = "") -> None:
        """As callee: do not take it. 300..699; a 6xx declines for all who are rung."""
        if self.done:
            return
        if self.answered or self.outcome.direction != "out":
            raise LocalProtocolError("only a call that waits for this app can be declined: leave it instead")
        text = reason or reason_phrase(status)
        self._fail(passed_on(status, reason), "callee", status, text)

    def leave(self) -> None:
        """End it, in whatever state it is: hang up, cancel a call that rings, decline one that is offered."""
        if self.done:
            return
        if self.answered:
            party = "caller" if self.outcome.direction == "in" else "callee"
            self._finish(party, 200, reason_phrase(200), "call.hangup", 16)
            self._tell_end("")
            self.observer.leg_ended(self, None)
        elif self.outcome.direction == "in":
            self._finish("caller", 487, "Request Terminated", "call.cancelled", 16)
            self._tell_end("")
            self.observer.leg_cancelled(self, None)
        else:
            self.decline()

    def change(self, body: bytes, on_done: OnDone) -> None:
        """Offer the other party a change; a crossing one of theirs (491) is waited out for some seconds.

        Raises RemoteProtocolError for a description that cannot be read.
        """
        self._must_be_up()
        self.changes.ask(body, on_done)

    def hold(self, held: bool, on_done: OnDone) -> None:
        """Hold the call or take it back, by the app's last description with another direction."""
        self._must_be_up()
        self.changes.hold(held, on_done)

    def answer_change(self, body: bytes) -> None:
        """Accept what the other party asked for; raises RemoteProtocolError for what cannot be read."""
        self.changes.answer(body)

    def refuse_change(self, status: int = 488) -> None:
        """Refuse it, 400..699; the session stays as it was."""
        self.changes.refuse(status)

    def inform(self, info: Info) -> None:
        """Send the other party an INFO or a MESSAGE; ``info.answer`` is told what became of it."""
        self._must_be_up()
        self.observer.leg_info(self, info)

    def press(self, digits: str, duration_ms: int, on_done: OnDone) -> None:
        """Press keys, 0-9 * # A-D, each for 40..5000 ms; ``on_done`` is told 200, or the status that ended it."""
        self._must_be_up()
        press_keys(self, digits, duration_ms, on_done)

    def transfer(self, target_uri: str, on_done: OnDone) -> None:
        """Hand the other party on to a SIP URI (blind transfer); on success the leg ends, else the call goes on."""
        self._must_be_up()
        transfer_by_app(self, target_uri, on_done)

    def keep(self) -> None:
        """Write the call down at once, for the process after a crash."""
        self.call.keep()

    def _must_be_up(self) -> None:
        if self.done or not self.confirmed:
            raise LocalProtocolError("the call is not up")

    # What the call does

    @property
    def committed(self) -> bool:
        return False

    @property
    def takes_update(self) -> bool:
        return not self.done and bool(self.said and self.media.identity.body)

    @property
    def asks_briefly(self) -> bool:
        return False

    @property
    def offers_early(self) -> bool:
        return False

    @property
    def settled(self) -> bool:
        """Whether no change is under way."""
        return self.changes.free and (self.confirmed or not self.answered)

    def progress(self, status: int, body: bytes, *, followed: bool = False) -> None:
        if not self.done and not self.answered:
            self.side.progressed(self, status, body)

    def answer(self, body: bytes) -> None:
        if self.done or self.answered:
            return
        self.outcome.answered_at = self.context.wall()
        self.side.answered(self, body)
        self.confirm()
        if not self.done:
            self.observer.leg_acknowledged(self, b"")

    def refuse(self, failure: CallFailed) -> None:
        if not self.done:
            self._finish("exchange", failure.status, failure.reason, failure.code, failure.q850)
            self.side.failed(self, self._as_seen(failure))

    def _as_seen(self, failure: CallFailed) -> CallFailed:
        """What the callee said itself: an app is told more than a phone, which would act upon a 401 or a 503."""
        for outcome in (leg.outcome for leg in self.call.legs[1:]):
            if (outcome.code, outcome.q850) == (failure.code, failure.q850):
                return CallFailed(
                    outcome.status, outcome.reason, failure.q850, failure.code, said=failure.said
                )
        return failure

    def hang_up(self, reason: str = "", *, code: str = "call.hangup", by: str = "exchange") -> None:
        if self.done:
            return
        if not self.answered and self.outcome.direction == "in":
            status = 480
            self._finish(by, status, reason_phrase(status), code, q850_cause(reason) or 16)
            self.side.failed(self, CallFailed(status, reason_phrase(status), q850_cause(reason) or 16, code))
            return
        status = 200 if self.answered else 487
        self._finish(by, status, reason_phrase(status), code, q850_cause(reason) or 16)
        self._tell_end(reason)

    def taken(self) -> None:
        """As callee: its answer was passed on."""
        if not self.done:
            self.side.taken(self)

    def confirm(self) -> None:
        """The call is up."""
        if not self.confirmed and not self.done:
            self.confirmed = True
            self.side.confirmed(self, b"")
            self.keep()

    def acknowledge(self, body: bytes) -> None:
        if body and not self.done:
            self.confirmed = True
            self.side.confirmed(self, body)
            self.keep()

    def offer(self, body: bytes, on_done: OnDone, extra: str = "", *, brief: bool = False) -> None:
        self.changes.pass_on(body, on_done, brief=brief)

    def withdraw_offer(self) -> None:
        self.changes.withdraw(487)

    def answer_offer(self, body: bytes) -> None:
        self.changes.accepted(body)

    def refuse_offer(self, status: int) -> None:
        self.changes.refused(status)

    def send_info(self, info: Info) -> None:
        if self.done:
            info.answer(481)
        elif self.side.informed(self, info):
            info.answer(200)
        else:
            info.answer(469 if info.package is not None else 415 if info.method == "INFO" else 488)

    # For the process that carries on after a crash

    def snapshot(self) -> dict[str, Any]:
        """Plain, JSON-serialisable data beside media and outcome; a description with keys is left out."""
        left = self.rings_until - self.context.endpoint.now() if self.ring_timer is not None else None
        return {
            "label": self.side.label,
            "confirmed": self.confirmed,
            "ring_left_s": None if left is None else max(left, 0.0),
            **self.changes.snapshot(),
        }

    def restore(self, data: dict[str, Any], away_s: float) -> None:
        """Take over a snapshot that is so many seconds old; ``side`` is put in by who knows it."""
        self.confirmed = data["confirmed"]
        self._told = True
        self.changes.restore(data)
        if data["ring_left_s"] is not None:
            self.ring_for(max(data["ring_left_s"] - away_s, 0.01))

    # Endings

    def _fail(self, failure: CallFailed, by: str, status: int, reason: str) -> None:
        if self.done:
            return
        self._finish(by, status, reason, failure.code, failure.q850)
        self._tell_end("")
        self.observer.leg_failed(self, failure)

    def _finish(self, by: str, status: int, reason: str, code: str, q850: int | None) -> None:
        self._stop_ringing()
        self.done = True
        self.outcome.end(self.context.wall(), by, status, reason, code, q850)
        if self.referral is not None:
            self.referral.call_ended()
        if self._changes is not None:
            self._changes.close()

    def let_go(self, observer: LegObserver) -> None:
        if self.done:
            self._changes, self.observer = None, observer

    def _tell_end(self, reason: str) -> None:
        if self._told:
            self.side.ended(self, reason, self.outcome.code, self.outcome.ended_by)

    def _stop_ringing(self) -> None:
        if self.ring_timer is not None:
            self.context.endpoint.wheel.cancel(self.ring_timer)
            self.ring_timer = None
