"""Sends a visible notification to a device, so that somebody sees whether pushes arrive; never a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import uuid4

from trunkline.base.messages import Refused
from trunkline.base.messages.devices import PushTested, TestPush
from trunkline.mobile.pushing import alert_address
from trunkline.push.notification import Fate, Notification, Purpose

if TYPE_CHECKING:
    from trunkline.mobile.book import Book
    from trunkline.mobile.pushing import Pushing

_TITLE: Final = "Test"
_BODY: Final = "Notifications reach this phone."
_OURS: Final = "the push service was not asked, or did not answer"


class TryingPushes:
    """``pushing`` learns from what the service says of the token."""

    def __init__(self, book: Book, pushing: Pushing) -> None:
        self._book = book
        self._pushing = pushing

    async def test_push(self, tenant: str, ask: TestPush) -> PushTested:
        """Send one. Refused: ``device.unknown`` 404, ``device.no_alert_token`` 409."""
        device = self._book.owned(tenant, ask.device_id, ask.owner)
        if device is None:
            raise Refused(
                "device.unknown", "there is no such device", "trunkline devices list shows them", 404
            )
        address = alert_address(device)
        if address is None:
            detail = (
                f"no push goes there: {device.disabled_why}"
                if device.disabled_why
                else "it has no alert_token"
            )
            hint = "PATCH the device with its tokens: a VoIP token alone only rings"
            raise Refused("device.no_alert_token", detail, hint, 409)
        sent = Notification(address, Purpose.ALERT, str(uuid4()), {"type": "test"}, title=_TITLE, body=_BODY)
        fate = await self._pushing.send(sent, device)
        return PushTested(outcome=fate.outcome.value, status=fate.status, reason=_said(fate, ask.owner))


def _said(fate: Fate, owner: str | None) -> str:
    """What a service has answered is for everybody. Files, proxies and networks of ours are for the operator alone."""
    return fate.reason if fate.status or fate.sent or owner is None else _OURS
