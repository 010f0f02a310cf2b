"""The notifications that wake phones with a SIP stack of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from trunkline.base.ids import uuid7
from trunkline.push.notification import Fate, Notification, Outcome, Purpose
from trunkline.registrar.ports import Wake, WakeReason
from trunkline.registrar.push_record import PushRecord

_TYPES: Final = {
    WakeReason.CALL: "incoming_call",
    WakeReason.MESSAGE: "message",
    WakeReason.MESSAGE_WAITING: "message_waiting",
    WakeReason.REFRESH: "refresh",
    WakeReason.CANCELLED: "call_cancelled",
}
# A text is worth a line on the screen; all else works in silence.
_PURPOSES: Final = {WakeReason.CALL: Purpose.CALL, WakeReason.MESSAGE: Purpose.ALERT}
KEEP_S: Final = 3600.0  # how long a provider tries to deliver what is no call


class PushWaker:
    """``send`` hands a notification to its provider; ``show_caller()`` says whether it names who calls.

    It implements ``registrar.ports.Waker``.
    """

    def __init__(
        self,
        send: Callable[[Notification], Awaitable[Fate]],
        wall: Callable[[], float],
        show_caller: Callable[[], bool] = lambda: True,
    ) -> None:
        self._send = send
        self._wall = wall
        self._show_caller = show_caller

    async def wake(self, record: PushRecord, wake: Wake) -> Fate:
        """See ``Waker``. What is no call never goes to a token for calls: each such push must ring."""
        address = record.address("call" if wake.reason is WakeReason.CALL else "quiet")
        if address is None:
            return Fate(Outcome.REFUSED, reason="it takes no such pushes")
        is_call = wake.reason is WakeReason.CALL
        return await self._send(
            Notification(
                address,
                _PURPOSES.get(wake.reason, Purpose.BACKGROUND),
                uuid7(),
                self._data(wake),
                title="Incoming call"
                if is_call
                else "New message"
                if wake.reason is WakeReason.MESSAGE
                else "",
                body=wake.caller_name or wake.caller_uri if is_call and self._show_caller() else "",
                # A call is now or never: nobody is to see it ring when it is over.
                expires_at=0.0 if is_call else self._wall() + KEEP_S,
                collapse="" if is_call else _TYPES[wake.reason],
            )
        )

    def _data(self, wake: Wake) -> dict[str, str]:
        """``callId`` pairs a push with its INVITE; names with a hyphen are what Linphone reads."""
        data = {"type": _TYPES[wake.reason]}
        if wake.call_id:
            data["callId"] = data["call-id"] = wake.call_id
        if wake.expires_at:
            data["expiresAt"] = f"{datetime.fromtimestamp(wake.expires_at, UTC):%Y-%m-%dT%H:%M:%SZ}"
        if self._show_caller() and wake.caller_uri:
            data["callerUri"] = wake.caller_uri
            data["from-uri"] = f"sip:{wake.caller_uri}"
            if wake.caller_name:
                data["callerName"] = data["display-name"] = wake.caller_name
        return data
