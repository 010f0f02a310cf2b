"""One subscription, the notifier's side (RFC 6665 §4.2, figure 2).

    TABLE[state][input] = (next_state, (action, ...))      as in ``proto.sip.transaction.machine``

Figure 2 has ``pending`` for subscriptions that somebody has yet to approve; ours are approved or refused at once,
by who proves to be whom. Its ``active`` is spread out here over what the rate of NOTIFYs asks for: one is on its way
at a time, and a second passes before the next (RFC 6665 §4.2.2 leaves the rate to the notifier). What
changes meanwhile is told by the next one, which always holds the full state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from trunkline.base.errors import RemoteProtocolError
from trunkline.base.wheel import Alarm
from trunkline.net.flow import Flow
from trunkline.proto.sip.dialog import Dialog
from trunkline.proto.sip.events import Event, event_of
from trunkline.proto.sip.message import Request, Response
from trunkline.proto.sip.numbers import parse_delta_seconds
from trunkline.proto.sip.transaction import Failure
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.proto.sip.transaction.machine import Table
from trunkline.proto.sip.uri import is_sips
from trunkline.ua.door import flow_of
from trunkline.ua.subscriptions.package import Package, Watch

if TYPE_CHECKING:
    from trunkline.ua.subscriptions.notifier import Notifier

QUIET: Final = 0  # all is told
RESTING: Final = 1  # all is told, and it is too soon for another NOTIFY
WAITING: Final = 2  # there is news, and it is too soon for another NOTIFY
NOTIFYING: Final = 3  # a NOTIFY is on its way
BEHIND: Final = 4  # a NOTIFY is on its way, and there is news already
ASKED: Final = 5  # a NOTIFY is on its way, and the subscriber has asked for another
LEAVING: Final = 6  # a NOTIFY is on its way, the last one comes after it
ENDING: Final = 7  # the last NOTIFY is on its way
ENDED: Final = 8

SUBSCRIBED: Final = 0  # a SUBSCRIBE that prolongs it: the full state is due at once
CHANGED: Final = 1
ANSWERED: Final = 2  # NOTIFY answered, or refused in a way that means this request alone
PUT_OFF: Final = 3  # NOTIFY refused for now
REFUSED: Final = 4  # NOTIFY refused in a way that ends the subscription, or never answered
RESTED: Final = 5
CLOSED: Final = 6  # expired, unsubscribed, or ended by us; the argument is the reason

INPUTS: Final = (SUBSCRIBED, CHANGED, ANSWERED, PUT_OFF, REFUSED, RESTED, CLOSED)

# RFC 5057 §5.1: answers that destroy the usage or its dialog; all others are about the NOTIFY alone. 408 is among
# them because the subscription is soft state (RFC 6665 §4.2.2).
DESTROYING: Final = frozenset({404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 502, 604})
LONGEST_PAUSE_S: Final = 300


class Subscription(Alarm):
    """``told`` is the package's note of what the subscriber knows; ``version`` counts documents from 0; ``numbers``
    are the extensions that it is about, more than one for a list.

    ``expires_at`` is in the loop's seconds. It is found by its dialog in ``Endpoint.subscriptions``.
    """

    __slots__ = (
        "broken",
        "contact",
        "dialog",
        "event",
        "expires_at",
        "flow",
        "notifier",
        "numbers",
        "package",
        "reason",
        "requires",
        "rests_until",
        "since",
        "state",
        "told",
        "version",
        "watch",
        "with_body",
    )

    TABLE: ClassVar[Table]

    def __init__(
        self,
        notifier: Notifier,
        incoming: Incoming,
        flow: Flow,
        package: Package,
        event: Event,
        watch: Watch,
        numbers: tuple[str, ...] = (),
    ) -> None:
        """Raises RemoteProtocolError when the SUBSCRIBE cannot create a dialog."""
        super().__init__()
        self.notifier = notifier
        self.package = package
        self.event = event
        self.watch = watch
        self.numbers = numbers or (watch.number,)
        # RFC 4662 §4.1: whoever answers for a list says so.
        self.requires = "Require: eventlist\r\n" if numbers else ""
        self.flow = flow
        self.contact = notifier.endpoint.contact(flow, sips=is_sips(incoming.request.uri))
        self.dialog = Dialog.of_request(incoming.request, notifier.endpoint.ids.tag(), flow.token)
        self.dialog.early = False
        self.state = QUIET
        self.since = incoming.now
        self.expires_at = 0.0
        self.rests_until = 0.0
        self.version = -1
        self.told: dict[str, Any] = {}
        self.reason = ""
        self.with_body = False
        self.broken = False  # whether the last NOTIFY was lost with its connection

    @property
    def ended(self) -> bool:
        return self.state == ENDED

    def step(self, what: int, argument: Any = None) -> None:
        """Run one input through the table; an input without a row is ignored."""
        row = self.TABLE[self.state].get(what)
        if row is None:
            return
        self.state = row[0]
        now = self.notifier.endpoint.now()
        for action in row[1]:
            action(self, argument, now)

    # What the notifier and the package's sources say

    def prolong(self, incoming: Incoming, seconds: int) -> None:
        """Answer a SUBSCRIBE, the first or a later one; 0 seconds end it, with the state as it is then."""
        self.expires_at = incoming.now + seconds
        to_tag = None if incoming.request.to_tag else self.dialog.local_tag
        extra = (
            f"Expires: {seconds}\r\nContact: {self.contact}\r\n{self.requires}{self.notifier.allow_events}"
        )
        incoming.respond(200, extra=extra, to_tag=to_tag)
        if seconds:
            self.rearm()
            self.step(SUBSCRIBED)
        else:
            self.with_body = True
            self.step(CLOSED, "timeout")

    def changed(self) -> None:
        """The state may be another one now."""
        if self.state in {QUIET, RESTING, NOTIFYING} and self.package.has_news(self):
            self.step(CHANGED)

    def close(self, reason: str) -> None:
        """End it; ``reason`` tells the subscriber what to make of that (RFC 6665 §4.1.3)."""
        self.step(CLOSED, reason)

    # What the endpoint delivers

    def receive(self, incoming: Incoming) -> None:
        """A request within the dialog."""
        request = incoming.request
        if request.method != "SUBSCRIBE":
            incoming.respond(405, extra="Allow: SUBSCRIBE\r\n")
        elif self.state in {LEAVING, ENDING, ENDED}:
            incoming.respond(481)
        elif self.notifier.admits(self, incoming):
            try:
                self._refresh(incoming, request)
            except RemoteProtocolError as error:
                extra = "Retry-After: 5\r\n" if error.status == 500 else ""
                incoming.respond(error.status, extra=extra)

    def _refresh(self, incoming: Incoming, request: Request) -> None:
        if event_of(request) != self.event:
            # RFC 6665 §4.5.2: no second usage shares the dialog.
            incoming.respond(403)
            return
        seconds = self.notifier.granted(incoming)
        if seconds is None:
            return
        self.dialog.accept(request)
        self.flow = flow_of(incoming)  # a new connection, or another port of a NAT box
        self.dialog.flow = self.flow.token
        incoming.begin()
        self.prolong(incoming, seconds)

    # What the transaction of a NOTIFY delivers

    def on_response(self, _transaction: Any, response: Response, now: float) -> None:
        status = response.status
        if status < 200:
            return
        self.broken = False
        if status in DESTROYING:
            self.step(REFUSED, status)
        elif status >= 300 and "Retry-After" in response.headers:
            self.step(PUT_OFF, _pause_of(response))
        else:
            if status < 300:
                self._follow(response)
            self.step(ANSWERED)

    def on_failure(self, _transaction: Any, failure: Failure, _now: float) -> None:
        if failure is Failure.TRANSPORT and not self.broken:
            # A phone that changed its network has another connection soon; it is tried once.
            self.broken = True
            self.step(PUT_OFF)
        else:
            # RFC 3261 §8.1.3.1: a timeout counts as 408, a transport error as 503; nobody is there either way.
            self.step(REFUSED, 408 if failure is Failure.TIMEOUT else 503)

    def _follow(self, response: Response) -> None:
        """RFC 6665 §4.2.2: NOTIFY refreshes the target, and so does its 2xx."""
        try:
            self.dialog.refresh_target(response)
        except RemoteProtocolError:
            self.notifier.endpoint.layer.counters.parse_errors += 1

    # Time

    def fire(self, now: float) -> None:
        if self.expires_at and now >= self.expires_at - 1e-6:
            self.expires_at = 0.0
            self.close("timeout")
        elif self.rests_until and now >= self.rests_until - 1e-6:
            self.rests_until = 0.0
            self.step(RESTED)
        if self.state != ENDED:
            self.rearm()

    def rearm(self) -> None:
        """Arm for whatever is due first."""
        due = min((at for at in (self.expires_at, self.rests_until) if at), default=0.0)
        wheel = self.notifier.endpoint.wheel
        if due:
            wheel.arm(self, due)
        else:
            wheel.cancel(self)

    # Actions

    def notify(self, _argument: Any, now: float) -> None:
        """The full state."""
        self.rests_until = 0.0
        left = max(1, round(self.expires_at - now))
        self._send(f"active;expires={left}", now, with_body=True)

    def notify_end(self, reason: Any, now: float) -> None:
        """The last one; the state is told to who asked for the end, as a poll does (RFC 6665 §4.4.3)."""
        self.reason = self.reason or str(reason)
        self.expires_at = self.rests_until = 0.0
        self.rearm()
        self._send(f"terminated;reason={self.reason}", now, with_body=self.with_body)

    def note_reason(self, reason: Any, _now: float) -> None:
        self.reason = str(reason)
        self.expires_at = 0.0

    def rest(self, argument: Any, now: float) -> None:
        """No other NOTIFY for a while."""
        pause = self.notifier.policy.interval_s
        self.rests_until = now + (max(pause, argument) if isinstance(argument, int) else pause)
        self.rearm()

    def forget(self, _argument: Any, _now: float) -> None:
        """Nothing is found by its dialog any more, nothing runs for it."""
        self.expires_at = self.rests_until = 0.0
        self.rearm()
        self.notifier.forget(self)

    def _send(self, state: str, now: float, *, with_body: bool) -> None:
        notifier = self.notifier
        body = b""
        if with_body:
            self.version += 1
            body = self.package.compose(self)
        draft = self.dialog.request(
            "NOTIFY",
            contact=self.contact,
            extra=f"Event: {self.event.value}\r\nSubscription-State: {state}\r\n{self.requires}",
            body=body,
            content_type=self.package.content_type,
        )
        self.flow = notifier.endpoint.flow_for(self.flow, self.dialog)
        notifier.counters.notified += 1
        notifier.endpoint.send(draft, self.flow, self, now)


def _pause_of(response: Response) -> int:
    """Seconds of Retry-After, 0..300; what cannot be read is none."""
    try:
        value = response.headers["Retry-After"].partition("(")[0].partition(";")[0].strip()
        return min(LONGEST_PAUSE_S, parse_delta_seconds(value, "Retry-After"))
    except RemoteProtocolError:
        return 0


_NOTIFY = (Subscription.notify,)
_END = (Subscription.notify_end,)
_OVER = (ENDED, (Subscription.forget,))

# The sections are those of RFC 6665.
Subscription.TABLE = {
    QUIET: {
        SUBSCRIBED: (NOTIFYING, _NOTIFY),  # §4.2.1: at once, and at once for each refresh
        CHANGED: (NOTIFYING, _NOTIFY),
        CLOSED: (ENDING, _END),
    },
    RESTING: {
        SUBSCRIBED: (NOTIFYING, _NOTIFY),
        CHANGED: (WAITING, ()),
        RESTED: (QUIET, ()),
        CLOSED: (ENDING, _END),
    },
    WAITING: {
        SUBSCRIBED: (NOTIFYING, _NOTIFY),
        RESTED: (NOTIFYING, _NOTIFY),
        CLOSED: (ENDING, _END),
    },
    NOTIFYING: {
        SUBSCRIBED: (ASKED, ()),
        CHANGED: (BEHIND, ()),
        ANSWERED: (RESTING, (Subscription.rest,)),
        PUT_OFF: (WAITING, (Subscription.rest,)),
        REFUSED: _OVER,  # §4.2.2: 481, no answer
        CLOSED: (LEAVING, (Subscription.note_reason,)),
    },
    BEHIND: {
        SUBSCRIBED: (ASKED, ()),
        ANSWERED: (WAITING, (Subscription.rest,)),
        PUT_OFF: (WAITING, (Subscription.rest,)),
        REFUSED: _OVER,
        CLOSED: (LEAVING, (Subscription.note_reason,)),
    },
    ASKED: {
        ANSWERED: (NOTIFYING, _NOTIFY),
        PUT_OFF: (WAITING, (Subscription.rest,)),
        REFUSED: _OVER,
        CLOSED: (LEAVING, (Subscription.note_reason,)),
    },
    LEAVING: {
        ANSWERED: (ENDING, _END),
        PUT_OFF: _OVER,
        REFUSED: _OVER,
    },
    ENDING: {
        ANSWERED: _OVER,
        PUT_OFF: _OVER,
        REFUSED: _OVER,
    },
    ENDED: {},
}

# (state, input) pairs of the table that change nothing, with the reason.
_NOTHING_IS_OUT = "no NOTIFY is on its way"
_LAST = "it is over but for its last NOTIFY"
IGNORED: Final = {
    **{
        (state, what): _NOTHING_IS_OUT
        for state in (QUIET, RESTING, WAITING)
        for what in (ANSWERED, PUT_OFF, REFUSED)
    },
    (QUIET, RESTED): "it rests no more",
    **{(state, RESTED): "it rests no more" for state in (NOTIFYING, BEHIND, ASKED)},
    **{(state, CHANGED): "the next NOTIFY tells it" for state in (WAITING, BEHIND, ASKED)},
    (ASKED, SUBSCRIBED): "the next NOTIFY answers both",
    **{(state, what): _LAST for state in (LEAVING, ENDING) for what in (SUBSCRIBED, CHANGED, RESTED, CLOSED)},
}
