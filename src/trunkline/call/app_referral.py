"""A blind transfer that an app asks for.

Where the other party is a phone or PBX of somebody else's, it is asked to call the target itself (REFER in its
dialog, RFC 3515), and its NOTIFYs tell how that goes. A call of our own exchange is handed on by the exchange.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from trunkline.base.errors import LocalProtocolError, RemoteProtocolError
from trunkline.call.referrals import Progress
from trunkline.call.referring import refer_for
from trunkline.call.sip_leg import SipLeg
from trunkline.proto.sip.draft import header_lines
from trunkline.proto.sip.events import event_of
from trunkline.proto.sip.name_addr import parse_name_addr
from trunkline.proto.sip.refer import status_of_fragment
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.proto.sip.uri import parse_uri

if TYPE_CHECKING:
    from trunkline.base.wheel import Timer
    from trunkline.call.app_leg import AppLeg
    from trunkline.ua.sessions import Session

PATIENCE_S: Final = 60.0  # between two NOTIFYs, and until the first
TRANSFERRED: Final = "call.transferred"


def transfer_by_app(leg: AppLeg, target_uri: str, on_done: Callable[[int, bytes], None]) -> None:
    """Hand the party across on; raises LocalProtocolError for what is no SIP URI."""
    try:
        uri = parse_uri(target_uri)
    except RemoteProtocolError as error:
        raise LocalProtocolError(f"expected a SIP URI to transfer to: {error.reason}") from error
    if not uri.is_sip or any(char in target_uri for char in '<>\r\n \t"'):
        raise LocalProtocolError("expected a SIP URI to transfer to")
    if leg.done:
        on_done(481, b"")
        return
    other = leg.across
    if leg.referral is not None or leg.call.transfer is not None:
        on_done(491, b"")
    elif not leg.call.foreign:
        refer_for(leg.call, leg, uri, ToldApp(on_done))
    elif isinstance(other, SipLeg) and other.session is not None:
        leg.referral = NotifiedReferral(leg, other.session, target_uri, on_done)
        leg.referral.begin()
    else:
        on_done(481, b"")


class ToldApp(Progress):
    """Tells an app how a transfer by the exchange ended."""

    def __init__(self, on_done: Callable[[int, bytes], None]) -> None:
        self._on_done: Callable[[int, bytes], None] | None = on_done

    def tell(self, status: int, reason: str = "", *, final: bool = False) -> None:
        if final:
            done, self._on_done = self._on_done, None
            if done is not None:
                done(status, b"")

    async def told(self) -> None:
        """It is told at once."""


class NotifiedReferral:
    """A REFER of ours, until its last NOTIFY. Success hangs our leg up; a failure leaves the call as it is."""

    __slots__ = ("_accepted", "_leg", "_on_done", "_session", "_target", "_timer")

    def __init__(
        self, leg: AppLeg, session: Session, target: str, on_done: Callable[[int, bytes], None]
    ) -> None:
        self._leg = leg
        self._session = session
        self._target = target
        self._on_done = on_done
        self._timer: Timer | None = None
        self._accepted = False

    def begin(self) -> None:
        leg = self._leg
        leg.call.tell("transfer.asked", f"{leg.side.label} asks the other party to call {self._target}")
        self._timer = self._wait()
        leg.context.spawn(self._ask())

    def _wait(self) -> Timer:
        endpoint = self._leg.context.endpoint
        return endpoint.wheel.call_at(endpoint.now() + PATIENCE_S, lambda _now: self._over(408))

    async def _ask(self) -> None:
        session = self._session
        try:
            own = "" if session.dialog is None else parse_name_addr(session.dialog.local).uri
            lines = header_lines("Refer-To", f"<{self._target}>") + header_lines("Referred-By", f"<{own}>")
            response = await session.request("REFER", contact=session.contact, extra=lines)
        except RemoteProtocolError as error:
            self._over(error.status)
            return
        if response.status >= 300:
            self._over(response.status)
            return
        self._accepted = True
        if response.headers.get("Refer-Sub", "true").partition(";")[0].strip().lower() == "false":
            self._over(200)  # RFC 4488 §4.1: nothing will be told

    def receive(self, incoming: Incoming) -> None:
        """A NOTIFY in the dialog of the REFER."""
        request = incoming.request
        try:
            event = event_of(request)
            status = status_of_fragment(request)
        except RemoteProtocolError as error:
            incoming.respond(error.status)
            return
        if event is None or event.package != "refer":
            incoming.respond(489, extra="Allow-Events: refer\r\n")
            return
        incoming.respond(200, now=self._leg.context.endpoint.now())
        self._accepted = True
        state = request.headers.get("Subscription-State", "active").partition(";")[0].strip().lower()
        if status >= 200:
            self._over(status)
        elif state == "terminated":
            self._over(200)  # it was taken over, and nothing else is told
        elif self._timer is not None:
            self._leg.context.endpoint.wheel.cancel(self._timer)
            self._timer = self._wait()

    def call_ended(self) -> None:
        """The call is over: who hands a call on usually hangs up without a last word."""
        if self._leg.referral is self:
            self._over(200 if self._accepted else 481)

    def _over(self, status: int) -> None:
        leg = self._leg
        if leg.referral is not self:
            return
        leg.referral = None
        if self._timer is not None:
            leg.context.endpoint.wheel.cancel(self._timer)
            self._timer = None
        if status < 300:
            leg.call.tell("transfer.done", f"the other party goes on with {self._target}")
        else:
            leg.call.tell("transfer.failed", f"{self._target}: {status}", status=status)
        self._on_done(status, b"")
        if status < 300 and not leg.done:
            leg.call.hang_up(code=TRANSFERRED)
