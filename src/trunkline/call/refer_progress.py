"""How a transfer goes, told to whoever asked for it: the implicit subscription of a REFER (RFC 3515 §2.4.4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from trunkline.proto.sip.refer import SIPFRAG, fragment

if TYPE_CHECKING:
    from trunkline.call.context import CallContext
    from trunkline.net.flow import Flow
    from trunkline.proto.sip.dialog import Dialog
    from trunkline.proto.sip.message import Response

EXPIRES_S: Final = 300  # longer than a transfer rings


class ReferProgress:
    """Tells by NOTIFY, one at a time; of what comes meanwhile the latest is told.

    ``dialog`` is the one of the REFER. It serves the subscription until the last NOTIFY, also after a BYE (RFC 5057
    §4.2); any refusal of a NOTIFY ends the subscription alone. ``event_id`` is the CSeq of the REFER, or "" for
    the first one in its dialog. A ``silent`` one tells nothing (RFC 4488).
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
        self._event = f"Event: refer;id={event_id}\r\n" if event_id else "Event: refer\r\n"
        self._deaf = silent
        self._ends_at = context.endpoint.now() + EXPIRES_S
        self._next: tuple[bytes, bool] | None = None
        self._said_last = False
        self._task: asyncio.Task[None] | None = None

    def tell(self, status: int, reason: str = "", *, final: bool = False) -> None:
        """Tell a status of the new call; nothing is told after a final one."""
        if self._deaf or self._said_last:
            return
        self._said_last = final
        self._next = fragment(status, reason), final
        if self._task is None:
            self._task = self._context.spawn(self._send())

    async def told(self) -> None:
        """Wait until what was told has been answered, or was lost."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def _send(self) -> None:
        try:
            while self._next is not None and not self._deaf:
                (body, final), self._next = self._next, None
                response = await self._notify(body, final=final)
                self._deaf = response.status >= 300
        finally:
            self._task = None

    async def _notify(self, body: bytes, *, final: bool) -> Response:
        endpoint = self._context.endpoint
        left = max(1, round(self._ends_at - endpoint.now()))
        state = "terminated;reason=noresource" if final else f"active;expires={left}"
        draft = self._dialog.request(
            "NOTIFY",
            contact=self._contact,
            extra=f"{self._event}Subscription-State: {state}\r\n",
            body=body,
            content_type=SIPFRAG,
        )
        return await endpoint.request(draft, self._flow())
