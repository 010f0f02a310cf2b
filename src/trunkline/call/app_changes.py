"""Changes of a session that an app is party of: one at a time, from either side, each with a deadline.

The other party's change waits for the app, which must answer before the other party's patience ends. The app's change
that meets one of theirs (491) is tried again after the pause of RFC 3261 §14.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from trunkline.base.errors import LocalProtocolError
from trunkline.call.sip_leg import SipLeg
from trunkline.call.spoken_for import directed, is_held, is_keyed, version_of, with_version
from trunkline.media.offer_answer import streams_of

if TYPE_CHECKING:
    from trunkline.base.wheel import Timer
    from trunkline.call.app_leg import AppLeg

OnDone: TypeAlias = Callable[[int, bytes], None]

ANSWER_S: Final = 20.0  # what an app has for a re-INVITE: well within the 32 s that its sender may wait
BRIEF_S: Final = 4.0  # and for an UPDATE, which is answered at once
PATIENCE_S: Final = 15.0  # how long the app's change is tried again when it meets theirs
_PAUSE_S: Final = 1.0  # between the tries, where the other party is no SIP dialog
_LATER: Final = frozenset({491, 500})


class AppChanges:
    """``held``: whether the app holds the call. ``free``: whether nothing is under way."""

    __slots__ = (
        "_again",
        "_asked",
        "_asking",
        "_deadline",
        "_given_up",
        "_leg",
        "_named",
        "_offered",
        "_spoken",
        "held",
    )

    def __init__(self, leg: AppLeg) -> None:
        self._leg = leg
        self._asked: OnDone | None = None  # how to answer the other party's change
        self._named = False  # whether that came with an offer
        self._deadline: Timer | None = None
        self._asking: OnDone | None = None  # how to tell what became of the app's
        self._offered = b""
        self._again: Timer | None = None
        self._given_up = 0.0
        self._spoken = 0  # the version of the last description that we made in the app's place
        self.held = False

    @property
    def free(self) -> bool:
        return self._asked is None and self._asking is None

    # The app's

    def ask(self, body: bytes, on_done: OnDone) -> None:
        """Offer a change; raises RemoteProtocolError for what cannot be read."""
        streams_of(body)
        self._ask(self._in_order(body), on_done)

    def _ask(self, body: bytes, on_done: OnDone) -> None:
        if not self.free:
            on_done(491, b"")
            return
        self._asking, self._offered = on_done, body
        self._given_up = self._now() + PATIENCE_S
        self._leg.observer.leg_offer(self._leg, self._leg.media.read(body))

    def hold(self, held: bool, on_done: OnDone) -> None:
        """Raises LocalProtocolError when the app's description is not known."""
        leg = self._leg
        if not leg.said:
            raise LocalProtocolError(
                "the app's description is not known any more: it must offer the change itself"
            )
        if held == self.held and self.free:
            on_done(200, b"")
            return
        if not self.free:
            on_done(491, b"")
            return
        self._spoken = max(self._spoken, version_of(leg.said)) + 1
        self._ask(with_version(directed(leg.said, held=held), self._spoken), on_done)

    def accepted(self, body: bytes) -> None:
        """The other party has answered."""
        done, self._asking = self._asking, None
        if done is not None:
            self._leg.said = self._offered
            self.held = is_held(self._offered)
            done(200, body)

    def refused(self, status: int) -> None:
        """It has refused; a glare is tried again after a while."""
        self._leg.media.take_back()
        wheel, now = self._leg.context.endpoint.wheel, self._now()
        if status in _LATER and self._asking is not None and now < self._given_up and not self._leg.done:
            self._again = wheel.call_at(now + self._pause_s(), self._ask_again)
            return
        done, self._asking = self._asking, None
        if done is not None:
            done(status, b"")

    def _pause_s(self) -> float:
        other = self._leg.across
        session = other.session if isinstance(other, SipLeg) else None
        return session.reoffer.glare_pause_s() if session is not None else _PAUSE_S

    def _ask_again(self, _now: float) -> None:
        self._again = None
        if self._asked is not None:
            self.refused(491)  # theirs is with the app at this moment
        else:
            self._leg.observer.leg_offer(self._leg, self._leg.media.read(self._offered))

    # The other party's

    def pass_on(self, body: bytes, on_done: OnDone, *, brief: bool) -> None:
        """Ask the app."""
        leg = self._leg
        if leg.done:
            on_done(481, b"")
            return
        if self._asked is not None or (self._asking is not None and self._again is None):
            on_done(491, b"")
            return
        self._asked, self._named = on_done, bool(body)
        wheel, patience_s = leg.context.endpoint.wheel, BRIEF_S if brief else ANSWER_S
        # A user who must be asked first is what 504 says to an UPDATE (RFC 3311 §5.2).
        self._deadline = wheel.call_at(
            self._now() + patience_s, lambda _now: self.withdraw(504 if brief else 488)
        )
        if not leg.side.asked(leg, body):
            self._settle(488, b"")

    def answer(self, body: bytes) -> None:
        """Raises LocalProtocolError when nothing is asked, RemoteProtocolError for what cannot be read."""
        if self._asked is None:
            raise LocalProtocolError("the other party asks for no change")
        streams_of(body)
        body = self._in_order(body)
        self._leg.said = body
        self.held = self.held and is_held(body)  # who answers a hold with silence only agrees to it
        self._settle(200, body)

    def refuse(self, status: int) -> None:
        """Raises LocalProtocolError when nothing is asked."""
        if self._asked is None:
            raise LocalProtocolError("the other party asks for no change")
        self._settle(status, b"")

    def withdraw(self, status: int) -> None:
        """Nobody waits for the app's answer any more."""
        if self._asked is not None:
            self._settle(status, b"")
            self._leg.side.withdrawn(self._leg)

    def _settle(self, status: int, body: bytes) -> None:
        done, self._asked = self._asked, None
        if self._deadline is not None:
            self._leg.context.endpoint.wheel.cancel(self._deadline)
            self._deadline = None
        if done is not None:
            if status >= 300:
                self._leg.media.identity.take_back()
            done(status, self._leg.media.read(body, answer=self._named))

    # Both

    def _in_order(self, body: bytes) -> bytes:
        """The version goes on from where we took it while we spoke in the app's place."""
        if not self._spoken or version_of(body) > self._spoken:
            return body
        self._spoken += 1
        return with_version(body, self._spoken)

    def _now(self) -> float:
        return self._leg.context.endpoint.now()

    def close(self) -> None:
        """The leg is over: whoever waits is told so."""
        if self._again is not None:
            self._leg.context.endpoint.wheel.cancel(self._again)
            self._again = None
        self._settle(481, b"")
        done, self._asking = self._asking, None
        if done is not None:
            done(481, b"")

    def snapshot(self) -> dict[str, Any]:
        said = self._leg.said
        return {
            "said": ""
            if is_keyed(said, paths=not self._leg.media.passes)
            else said.decode("utf-8", "surrogateescape"),
            "held": self.held,
            "spoken": self._spoken,
        }

    def restore(self, data: dict[str, Any]) -> None:
        self._leg.said = data["said"].encode("utf-8", "surrogateescape")
        self.held = data["held"]
        self._spoken = data["spoken"]
