"""What a registrar sends to a Contact of ours beside calls: texts (RFC 3428) and news of a mailbox (RFC 3842)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from trunkline.base.errors import RemoteProtocolError
from trunkline.mobile.pushing import MAX_NAME, MESSAGE, SOON_S, UNKNOWN, WAITING, alert_address, plain
from trunkline.proto.sip.events import event_of
from trunkline.proto.sip.name_addr import parse_name_addr
from trunkline.push.notification import Notification, Purpose

if TYPE_CHECKING:
    from trunkline.mobile.office import Office
    from trunkline.model.device import MobileDevice
    from trunkline.proto.sip.message import Request
    from trunkline.proto.sip.transaction.incoming import Incoming

MAX_TEXT: Final = 8192
PUSHED_TEXT: Final = 1000  # characters: a notification holds 4096 bytes, and most of them are not ours
SHOWN_TEXT: Final = 150
MOST_IN_FLIGHT: Final = 500
KEPT_S: Final = 86_400.0

# Somebody types, or has read: news that nobody is woken for.
_PASSING: Final = frozenset({"application/im-iscomposing+xml", "message/imdn+xml"})
_WAITING = re.compile(r"^Messages-Waiting[ \t]*:[ \t]*(yes|no)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_VOICE = re.compile(
    r"^Voice-Message[ \t]*:[ \t]*(\d{1,9})[ \t]*/[ \t]*(\d{1,9})", re.IGNORECASE | re.MULTILINE
)


class Notices:
    """Tells them to an account's devices: by the live channel where there is one, else by a push that does not ring."""

    def __init__(self, office: Office, now: Callable[[], float]) -> None:
        self._office = office
        self._now = now
        self.in_flight = 0

    # Texts

    def message(self, incoming: Incoming, tenant: str, account_id: str) -> None:
        """A MESSAGE: 200 when a device has it, 202 when one is woken for it, 480 when none can be."""
        request = incoming.request
        if len(request.body) > MAX_TEXT:
            incoming.respond(513)
            return
        if request.body and "Content-Type" not in request.headers:
            incoming.respond(400)
            return
        if self.in_flight >= MOST_IN_FLIGHT:
            incoming.respond(503, extra="Retry-After: 5\r\n")
            return
        incoming.begin()
        self.in_flight += 1
        self._office.spawn(self._pass_on(incoming, tenant, account_id))

    async def _pass_on(self, incoming: Incoming, tenant: str, account_id: str) -> None:
        status = 500
        try:
            status = await self._deliver(incoming.request, tenant, account_id)
        except RemoteProtocolError as error:
            status = error.status
        finally:
            self.in_flight -= 1
            incoming.respond(status, now=self._now())

    async def _deliver(self, request: Request, tenant: str, account_id: str) -> int:
        address = parse_name_addr(request.headers["From"])
        kind = request.headers.get("Content-Type", "text/plain").partition(";")[0].strip().lower()
        text = request.body.decode("utf-8", "replace")
        devices = tuple(self._office.devices.of_account(tenant, account_id))
        told = {
            "from": plain(address.address.aor),
            "name": plain(address.display, MAX_NAME),
            "content_type": plain(kind),
        }
        live = self._tell(devices, "message.received", {**told, "body": text})
        if live or not devices:
            return 200 if live else 480
        if kind in _PASSING:
            return 200  # it would be stale by the time that a phone has woken
        notes = [self._text_push(one, request.call_id, told, text) for one in devices]
        return 202 if await self._push(zip(devices, notes, strict=True)) else 480

    def _text_push(
        self, device: MobileDevice, call_id: str, told: dict[str, str], text: str
    ) -> Notification | None:
        address = alert_address(device)
        if address is None:
            return None
        shown = self._office.policy.show_caller
        data = {"type": MESSAGE, "callerUri": told["from"] if shown else UNKNOWN, "callId": plain(call_id)}
        if shown and told["name"]:
            data["callerName"] = told["name"]
        told_text = shown and told["content_type"] == "text/plain"
        if told_text:
            data["text"] = text[:PUSHED_TEXT]
        return Notification(
            address,
            Purpose.ALERT,
            str(uuid4()),
            self._with_gateway(data),
            title=(told["name"] or told["from"]) if shown else "New Message",
            body=text[:SHOWN_TEXT] if told_text else "You have a new message",
            expires_at=self._office.wall() + KEPT_S,
        )

    # Mailboxes

    def notify(self, incoming: Incoming, tenant: str, account_id: str) -> None:
        """A NOTIFY without a dialog: the one kind that comes unasked is about a mailbox."""
        request = incoming.request
        event = event_of(request)
        if event is None or event.package != "message-summary":
            incoming.respond(489, extra="Allow-Events: message-summary\r\n")
            return
        incoming.respond(200)
        found = _WAITING.search(body := request.body.decode("utf-8", "replace"))
        if found is None:
            return
        counts = _VOICE.search(body)
        waiting = found[1].lower() == "yes"
        new, old = (counts[1], counts[2]) if counts is not None else ("", "")
        devices = tuple(self._office.devices.of_account(tenant, account_id))
        live = self._tell(devices, "message.waiting", {"waiting": waiting, "new": new, "old": old})
        if not live and devices and self.in_flight < MOST_IN_FLIGHT:
            data = {"type": WAITING, "waiting": found[1].lower(), "new": new, "old": old}
            self.in_flight += 1
            self._office.spawn(self._wake(devices, data, f"mwi-{account_id}"))

    async def _wake(self, devices: tuple[MobileDevice, ...], data: dict[str, str], collapse: str) -> None:
        try:
            notes = [self._waiting_push(one, data, collapse) for one in devices]
            await self._push(zip(devices, notes, strict=True))
        finally:
            self.in_flight -= 1

    def _waiting_push(self, device: MobileDevice, data: dict[str, str], collapse: str) -> Notification | None:
        address = alert_address(device)
        if address is None:
            return None
        until = self._office.wall() + SOON_S
        told = self._with_gateway(data)
        return Notification(
            address, Purpose.BACKGROUND, str(uuid4()), told, expires_at=until, collapse=collapse
        )

    # Both

    def _with_gateway(self, data: dict[str, str]) -> dict[str, str]:
        url = self._office.policy.gateway_url
        return {**data, "gatewayUrl": url} if url else data

    def _tell(self, devices: tuple[MobileDevice, ...], name: str, data: dict[str, Any]) -> bool:
        """Whether one of the devices listens and was told; each owner is told once."""
        live = self._office.live
        owners = {one.owner: one for one in devices if live.is_live(one.id)}
        for owner, device in owners.items():
            live.tell(device.tenant, owner, name, "", device.id, data)
        return bool(owners)

    async def _push(self, notes: Iterable[tuple[MobileDevice, Notification | None]]) -> bool:
        """Whether one was taken; a phone with two devices' tokens is woken once."""
        taken, seen = False, set[str]()
        for device, note in notes:
            if note is not None and note.address.token not in seen:
                seen.add(note.address.token)
                fate = await self._office.pushing.send(note, device)
                taken = taken or fate.sent
        return taken
