"""How a transfer goes, told to whoever asked for it: the implicit subscription of a REFER (RFC 3515 §2.4.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.events import event_of, expires_of
from trunkline.proto.sip.refer import SIPFRAG, fragment

if TYPE_CHECKING:
    from trunkline.base.wheel import Timer
    from trunkline.call.context import CallContext
    from trunkline.net.flow import Flow
    from trunkline.proto.sip.dialog import Dialog
    from trunkline.proto.sip.message import Request, Response
    from trunkline.proto.sip.transaction.incoming import Incoming

EXPIRES_S: Final = 300  # longer than a transfer rings
_REFUSALS: Final = {
    405: "Allow: SUBSCRIBE\r\n",
    489: "Allow-Events: refer\r\n",
    500: "Retry-After: 5\r\n",
}


class ReferProgress:
    """Tells by NOTIFY, one at a time; of what comes meanwhile the latest is told.

    ``dialog`` is the one of the REFER. It serves the subscription until the last NOTIFY, also after a BYE (RFC 5057
    §4.2); any refusal of a NOTIFY ends the subscription alone. ``event_id`` is the CSeq of the REFER, or "" for
    the first one in its dialog. A ``silent`` one tells nothing (RFC 4488).

    A SUBSCRIBE prolongs or ends it (``receive``); it is found by its dialog in ``Endpoint.subscriptions``.
    """

    def __init__(
        self,
        context: CallContext,
        dialog: Dialog,
        flow: Callable[[], Flow],
        contact: str,
        *,
        event_id: str = "",
        silent: bool = False,
    ) -> None:
        self._context = context
        self._dialog = dialog
        self._flow = flow
        self._contact = contact
        self._event_id = event_id
        self._deaf = silent
        self._ends_at = context.endpoint.now() + EXPIRES_S
        self._expiry: Timer | None = None
        self._latest = b""
        self._next: tuple[bytes, str] | None = None
        self._said_last = False
        self._task: asyncio.Task[None] | None = None

    def tell(self, status: int, reason: str = "", *, final: bool = False) -> None:
        """Tell a status of the new call; nothing is told after a final one."""
        if self._deaf or self._said_last:
            return
        if not self._latest:
            self._context.endpoint.subscriptions[self._dialog.key] = self
        self._latest = fragment(status, reason)
        self._say("noresource" if final else "")

    def _say(self, ends: str) -> None:
        """Notify of the latest; ``ends`` is why the subscription is over with it, "" when it is not."""
        self._next = self._latest, ends
        if ends:
            self._end()
        if self._task is None:
            self._task = self._context.spawn(self._send())

    def _end(self) -> None:
        self._said_last = True
        subscriptions, key = self._context.endpoint.subscriptions, self._dialog.key
        if subscriptions.get(key) is self:
            del subscriptions[key]
        if self._expiry is not None:
            self._context.endpoint.wheel.cancel(self._expiry)
            self._expiry = None

    # What the subscriber asks

    def receive(self, incoming: Incoming) -> None:
        """A SUBSCRIBE within the dialog: it is answered, and by a NOTIFY with how things stand (RFC 6665 §4.2.1)."""
        if incoming.request.method != "SUBSCRIBE":
            incoming.respond(481)  # RFC 5057 §4.2: the call that shared the dialog is over
            return
        if incoming.transaction is None:
            incoming.begin()
        try:
            seconds = self._granted(incoming.request)
        except RemoteProtocolError as error:
            incoming.respond(error.status, extra=_REFUSALS.get(error.status, ""))
            return
        incoming.respond(200, extra=f"Expires: {seconds}\r\nContact: {self._contact}\r\n")
        self._prolong(seconds)

    def _granted(self, request: Request) -> int:
        """The seconds that a SUBSCRIBE gets, 0 to end; raises RemoteProtocolError."""
        event = event_of(request)
        if event is None or event.package != "refer":
            raise RemoteProtocolError("the subscription is one to refer", 489)
        if event.id != self._event_id or self._said_last or self._deaf:
            raise RemoteProtocolError("no such subscription", 403)  # 481 would tell that the call is gone
        seconds = min(expires_of(request, EXPIRES_S), EXPIRES_S)
        self._dialog.accept(request)
        return seconds

    def _prolong(self, seconds: int) -> None:
        endpoint = self._context.endpoint
        if self._expiry is not None:
            endpoint.wheel.cancel(self._expiry)
            self._expiry = None
        self._ends_at = endpoint.now() + seconds
        if seconds:
            self._expiry = endpoint.wheel.call_at(self._ends_at, self._expire)
            self._say("")
        else:
            self._say("timeout")

    def _expire(self, _now: float) -> None:
        self._expiry = None
        if not self._deaf:
            self._say("timeout")

    # What is told

    async def told(self) -> None:
        """Wait until what was told has been answered, or was lost."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def _send(self) -> None:
        try:
            while self._next is not None and not self._deaf:
                (body, ends), self._next = self._next, None
                response = await self._notify(body, ends)
                if response.status >= 300:
                    self._deaf = True
                    self._end()
        finally:
            self._task = None

    async def _notify(self, body: bytes, ends: str) -> Response:
        endpoint = self._context.endpoint
        left = max(1, round(self._ends_at - endpoint.now()))
        state = f"terminated;reason={ends}" if ends else f"active;expires={left}"
        event = f"refer;id={self._event_id}" if self._event_id else "refer"
        draft = self._dialog.request(
            "NOTIFY",
            contact=self._contact,
            extra=f"Event: {event}\r\nSubscription-State: {state}\r\n",
            body=body,
            content_type=SIPFRAG,
        )
        return await endpoint.request(draft, self._flow())
