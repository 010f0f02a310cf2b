"""Notifications about calls and texts: what stands in them, who gets them, and what their fates mean for a device."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from unicodedata import category

from trunkline.base.ids import uuid4
from trunkline.base.values import value
from trunkline.model.device import MobileDevice
from trunkline.push.notification import Fate, Notification, Outcome, Purpose, PushAddress, Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from trunkline.mobile.office import HandOverPolicy
    from trunkline.mobile.ports import DeviceBook, PushSender

INCOMING: Final = "incoming_call"
CANCELLED: Final = "call_cancelled"
MISSED: Final = "call_missed"
ELSEWHERE: Final = "answered_elsewhere"
MESSAGE: Final = "message"
WAITING: Final = "message_waiting"

UNKNOWN: Final = "anonymous"  # what an app is told of a caller who stays unknown (RFC 3323 §4.1)
MISSED_S: Final = 86_400.0  # how long a provider keeps the news of a missed call for a phone that is off
SOON_S: Final = 60.0
MAX_NAME: Final = 120
MAX_ADDRESS: Final = 255

VOIP: Final = "voip"


def plain(text: str, most: int = MAX_ADDRESS) -> str:
    """What a stranger says, fit for JSON and a screen: bytes that are no UTF-8 become U+FFFD, and what would steer a
    screen goes (control characters, and those that turn the direction of text).
    """
    if len(text) <= most and text.isascii() and text.isprintable():
        return text
    kept = [_readable(one) for one in text[: most * 2] if category(one) not in {"Cc", "Cf", "Zl", "Zp"}]
    return "".join(kept)[:most].strip()


def _readable(character: str) -> str:
    return "\ufffd" if category(character) == "Cs" else character


@value
class CallFacts:
    """What a device is told of a call: ``caller`` is ``user@domain``, ``call_id`` the SIP Call-ID, ``call`` our own id.

    ``caller`` and ``name`` are empty when the caller stays unknown.
    """

    call: str
    call_id: str
    caller: str
    name: str = ""

    @property
    def shown(self) -> str:
        """The caller for a person."""
        return self.name or self.caller


def call_notification(
    facts: CallFacts, token: str, device: MobileDevice, policy: HandOverPolicy, until: float
) -> Notification | None:
    """What makes the phone ring; ``until`` (wall-clock seconds) is when nobody waits any more. None without a token."""
    address = call_address(device)
    if address is None:
        return None
    who = facts.shown if policy.show_caller and facts.shown else "Somebody"
    data = _data(INCOMING, facts, token, policy) | {"expiresAt": rfc3339(until)}
    # Now or never: a push that comes when nobody calls any more makes a phone show a dead call.
    return Notification(address, Purpose.CALL, uuid4(), data, title="Incoming Call", body=f"{who} is calling")


def after_notification(
    kind: str, facts: CallFacts, token: str, device: MobileDevice, policy: HandOverPolicy, now: float
) -> Notification | None:
    """What tells a phone that rings that it need not any more, by the token that never rings; None without one.

    ``kind`` is ``call_cancelled``, ``call_missed`` or ``answered_elsewhere``, which is not shown to anybody.
    """
    address = alert_address(device)
    if address is None:
        return None
    silent = kind == ELSEWHERE or policy.cancel_push == "background"
    who = facts.shown if policy.show_caller and facts.shown else ""
    return Notification(
        address,
        Purpose.BACKGROUND if silent else Purpose.ALERT,
        uuid4(),
        _data(kind, facts, token, policy),
        title="" if silent else "Missed Call",
        body="" if silent else (f"{who} called" if who else "Somebody called"),
        expires_at=now + (SOON_S if silent else MISSED_S),
        collapse=facts.call[:64],
    )


def _data(kind: str, facts: CallFacts, token: str, policy: HandOverPolicy) -> dict[str, str]:
    data = {"type": kind, "callToken": token, "callerUri": UNKNOWN, "callId": facts.call_id}
    if policy.show_caller:
        data["callerUri"] = facts.caller or UNKNOWN
        if facts.name:
            data["callerName"] = facts.name[:MAX_NAME]
    if policy.gateway_url:
        data["gatewayUrl"] = policy.gateway_url
    return data


def rfc3339(at: float) -> str:
    """A wall-clock time as text, in whole seconds, UTC."""
    return _second(int(at))


@lru_cache(maxsize=16)
def _second(at: int) -> str:
    """Calls of one moment end at the same second."""
    return datetime.fromtimestamp(at, UTC).isoformat()[:19] + "Z"


def is_pushable(device: MobileDevice) -> bool:
    """Whether the device has a token that works."""
    return bool(device.push_token) and not device.disabled_why


def call_address(device: MobileDevice) -> PushAddress | None:
    """Where a call goes; None when the device has no token that works."""
    if not is_pushable(device):
        return None
    return _address(device, device.push_token, device.push_kind)


def alert_address(device: MobileDevice) -> PushAddress | None:
    """Where everything else goes. PushKit wants each VoIP push to ring, so APNs needs another token for it."""
    if Service(device.service) is Service.APNS:
        return _address(device, device.alert_token, "alert") if device.alert_token else None
    return call_address(device)


def trouble_of(
    device: MobileDevice, is_set: Callable[[Service], bool], said: Callable[[PushAddress], str]
) -> str:
    """Why no push goes to a device that is not given up, else "": its push service is not set here, or has something
    against it, by what it ``said`` of its addresses.
    """
    call = call_address(device)
    if call is not None and not is_set(call.service):
        return f"nothing is set in [push.{call.service.value}]"
    for address, which in ((call, ""), (alert_address(device), " (its alert token)")):
        if address is not None and (trouble := said(address)):
            return trouble + which
    return ""


def _address(device: MobileDevice, token: str, kind: str) -> PushAddress:
    return PushAddress(
        Service(device.service),
        token,
        kind,
        device.bundle_id,
        device.team,
        device.environment,
        device.p256dh,
        device.auth,
    )


def dead_because(fate: Fate, registered_at: float) -> str:
    """Why no push goes to a token any more, "" when it lives.

    APNs says since when it knows that a token is dead. One that was registered later is another one of the same name.
    """
    if fate.outcome is Outcome.GONE:
        if fate.since is not None and registered_at >= fate.since:
            return ""
        return fate.reason or "unregistered"
    if fate.outcome is Outcome.MISMATCH:
        return fate.reason or "the token is of another app, project or environment"
    return ""


class Pushing:
    """Sends by ``sender`` and keeps ``devices`` equal to what the services say of their tokens."""

    def __init__(self, sender: PushSender, devices: DeviceBook) -> None:
        self._sender = sender
        self._devices = devices
        self.on_suspect: Callable[[MobileDevice], None] = lambda _device: None
        """Told of each push that was refused without its token being given up."""

    async def send(self, notification: Notification, device: MobileDevice) -> Fate:
        """Send one, and learn from its fate."""
        registered_at = device.registered_at
        fate = await self._sender.send(notification)
        self._learn(fate, notification.address, device, registered_at)
        return fate

    def _learn(self, fate: Fate, address: PushAddress, device: MobileDevice, registered_at: float) -> None:
        if fate.environment and fate.environment != device.environment:
            self._devices.learn_environment(device.tenant, device.id, fate.environment)
        why = dead_because(fate, registered_at)
        if why:
            self._devices.disable(device.tenant, device.id, address.token, why)
        elif fate.outcome is Outcome.SUSPECT:
            self.on_suspect(device)
