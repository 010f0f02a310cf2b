"""Mobile devices: what their apps, their backends and the command line ask.

``tenant`` is a tenant's name or id. ``owner`` is the user whom a token names; None is the operator, who sees all of the
tenant. What belongs to another owner is answered as what is not there: refused with ``device.unknown``, 404.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from trunkline.base.message_codec import Message, message
from trunkline.base.messages.request import PAGE, Command, Query


@dataclass(frozen=True, slots=True)
class SipAccount:
    """Who somebody is at a PBX. ``registrar`` "" is the domain; ``transport`` udp, tcp or tls; ``port`` 0: by DNS."""

    username: str
    domain: str
    password: str = field(default="", repr=False)
    registrar: str = ""
    transport: str = "udp"
    port: int = 5060
    auth_username: str = ""
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class PushTarget:
    """How an app is woken: ``kind`` is ``voip``, ``token``, ``fid``, ``webpush`` or ``webhook``.

    ``token`` is the device token, or the endpoint of a subscription with its keys. ``alert_token`` (APNs) is the normal
    one, for what must not ring.
    """

    kind: str
    token: str = field(repr=False)
    alert_token: str = field(default="", repr=False)
    environment: str = "production"
    bundle_id: str = ""
    p256dh: str = field(default="", repr=False)
    auth: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A device for people and apps; no token and no password is in it.

    ``sip_status`` is ``registering``, ``registered``, ``error: ...`` or ``unknown``; ``push_status`` ``ok``, or why no
    push goes there. ``since`` and ``next_try`` are about ``sip_status``, Unix seconds, 0 when unknown or none is due.
    """

    id: str
    owner: str
    platform: str
    address: str
    sip_status: str
    active: bool
    push_kind: str = ""
    push_status: str = ""
    environment: str = ""
    bundle_id: str = ""
    since: float = 0.0
    next_try: float = 0.0
    created_at: float = 0.0
    seen_at: float = 0.0
    live: bool = False


@message("device.registered")
class DeviceRegistered(Message):
    """``device_id`` is a UUID; ``device_key`` is told once, when one was made (not when the app brought its own)."""

    device_id: str
    status: str
    device_key: str = field(default="", repr=False)


@message("device.register")
class RegisterDevice(Command[DeviceRegistered]):
    """Register a device and its SIP account; with a known ``device_key`` the device is updated.

    Refused: ``device.platform`` 422, ``device.push`` 422, ``account.domain`` 422 (not on the list), ``account.invalid``
    422, ``account.password`` 401 (an extension of ours, or an account of others too, with a wrong password),
    ``account.tries`` 429 (too many wrong ones), ``account.unreachable`` 503, ``device.key`` 422, ``device.limit`` 429.
    """

    owner: str
    platform: str
    push: PushTarget
    account: SipAccount
    device_key: str = field(default="", repr=False)


@message("device.one")
class DeviceFound(Message):
    """One device."""

    device: DeviceRow


@message("device.get")
class GetDevice(Query[DeviceFound]):
    """One device by its id."""

    device_id: str
    owner: str | None = None


@message("device.page")
class DeviceList(Message):
    """Sorted by id."""

    rows: tuple[DeviceRow, ...] = ()
    next: str | None = None


@message("device.list")
class ListDevices(Query[DeviceList]):
    """The owner's devices, or all of the tenant."""

    owner: str | None = None
    limit: int = PAGE
    after: str | None = None


@message("device.change")
class ChangeDevice(Command[DeviceFound]):
    """Other tokens or another environment; None leaves a thing as it is. Refused as ``RegisterDevice``."""

    device_id: str
    owner: str | None = None
    push_kind: str | None = None
    push_token: str | None = field(default=None, repr=False)
    alert_token: str | None = field(default=None, repr=False)
    environment: str | None = None
    bundle_id: str | None = None
    p256dh: str | None = field(default=None, repr=False)
    auth: str | None = field(default=None, repr=False)


@message("device.removed")
class DeviceRemoved(Message):
    """Whether it was there."""

    was_there: bool


@message("device.remove")
class RemoveDevice(Command[DeviceRemoved]):
    """Forget a device; its account's contact is taken off the registrar when it was the last. Never refused."""

    device_id: str
    owner: str | None = None


@message("device.heard")
class DeviceHeard(Message):
    """The device is alive."""


@message("device.heartbeat")
class Heartbeat(Command[DeviceHeard]):
    """The app lives: its password is kept longer, a failed registration is tried now.

    Refused: ``device.inactive`` 410.
    """

    device_id: str
    owner: str | None = None


@message("device.push-tested")
class PushTested(Message):
    """``outcome`` as ``push.notification.Outcome``, with the provider's status and word."""

    outcome: str
    status: int = 0
    reason: str = ""


@message("device.test-push")
class TestPush(Command[PushTested]):
    """Send a visible notification, never a call. Refused: ``device.no_alert_token`` 409."""

    device_id: str
    owner: str | None = None


@message("account.proven")
class AccountProven(Message):
    """Whose account it is: the ``owner`` that a token may name (``sip:user@domain``), and its ``tenant``'s id."""

    owner: str
    tenant_id: str


@message("account.prove")
class ProveAccount(Command[AccountProven]):
    """Whether a SIP account is the asker's: its registrar has answered 200, or it is an extension of ours.

    Refused: ``account.password`` 401, ``account.domain`` 422, ``account.tries`` 429, ``account.unreachable`` 503.
    """

    account: SipAccount


@message("device.prove")
class ProveDevice(Command[AccountProven]):
    """Whether a device key is that of a device. Refused: ``device.key`` 401."""

    device_id: str
    device_key: str = field(repr=False)
