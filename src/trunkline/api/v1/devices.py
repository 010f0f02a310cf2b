"""``/v1/devices``: phones and the SIP accounts that they are woken for."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from trunkline.api.asking import Who
from trunkline.api.described import example, replies
from trunkline.api.guarded import GuardedRoute
from trunkline.api.shapes import (
    Body,
    Line,
    Long,
    Lower,
    Name,
    Port,
    Reply,
    Token,
    empty,
    rfc3339_or_none,
    told,
)
from trunkline.api.v1.sip_account import account_of
from trunkline.base import messages
from trunkline.base.messages import MAX_PAGE, PAGE, DeviceRow, PushTarget

router = APIRouter(prefix="/v1/devices", tags=["devices"], route_class=GuardedRoute)

Platform = Literal["ios", "android", "web", "other"]
Kind = Literal["voip", "token", "fid", "webpush", "webhook"]
Environment = Literal["production", "sandbox"]
Transport = Annotated[Literal["udp", "tcp", "tls"], Lower]
_ID = "3f0c2b5e-7a41-4b7e-9d58-0f6a2f6f8f11"
_BEGUN: Final = "registering"  # the one word that old apps know here; how it went is told when they ask
_UNKNOWN = "There is no such device, or it is another's."


class NewDevice(Body):
    """A phone, how it is woken, and the SIP account that it is woken for.

    `push_token_kind` is by default what the platform has. `device_key`: the app's own key of this installation; the
    same key again changes the device instead of adding one. `want_device_key`: make one and tell it, once.
    """

    platform: Platform
    push_token: Token
    bundle_id: Line | None = None
    sip_username: Name
    sip_password: Line
    sip_domain: Name
    sip_registrar: Line | None = None
    sip_transport: Transport = "udp"
    sip_port: Port = 5060
    sip_auth_username: Line | None = None
    sip_display_name: Line = ""
    push_token_kind: Kind | None = None
    alert_token: Long = ""
    environment: Environment = "production"
    p256dh: Line = ""
    auth: Line = ""
    device_key: Line | None = None
    want_device_key: bool = False


class Registered(Reply):
    """`device_key` only when it was asked for by `want_device_key`, and made."""

    device_id: str
    status: Literal["registering"]
    device_key: str = ""


class Device(Reply):
    """`sip_status` is `registering`, `registered`, `error: ...` or `unknown`."""

    device_id: str
    sip_status: str
    active: bool


class DeviceDetail(Reply):
    """What `GET` tells with `detail=true`. `since` and `next_try` are about `sip_status`; `live`: the app listens to
    its events now. `push_status` is `ok`, why no push goes there, or `error: ...`: pushes are refused, and tried again.
    """

    device_id: str
    sip_status: str
    active: bool
    platform: str
    address: str
    push_token_kind: str
    push_status: str
    environment: str
    bundle_id: str
    since: str | None
    next_try: str | None
    created_at: str | None
    seen_at: str | None
    live: bool


class Devices(Reply):
    """`next` is the `after` of the following page, null on the last."""

    devices: list[DeviceDetail]
    next: str | None


class Changes(Body):
    """What is not named stays as it is."""

    push_token: Token | None = None
    alert_token: Long | None = None
    push_token_kind: Kind | None = None
    environment: Environment | None = None
    bundle_id: Line | None = None
    p256dh: Line | None = None
    auth: Line | None = None


class Tested(Reply):
    """`outcome` is `sent`, or why it was not; `status` and `reason` are the push provider's."""

    outcome: str
    status: int
    reason: str


_DEVICE = {"device_id": _ID, "sip_status": "registered", "active": True}
_DETAIL = {
    **_DEVICE,
    "platform": "ios",
    "address": "alice@pbx.example.com",
    "push_token_kind": "voip",
    "push_status": "ok",
    "environment": "production",
    "bundle_id": "com.example.phone",
    "since": "2026-01-31T08:00:00+00:00",
    "next_try": "2026-01-31T08:45:00+00:00",
    "created_at": "2026-01-30T10:00:00+00:00",
    "seen_at": "2026-01-31T08:00:00+00:00",
    "live": False,
}
_NEW = {
    "platform": "ios",
    "push_token": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "alert_token": "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9",
    "bundle_id": "com.example.phone",
    "sip_username": "alice",
    "sip_password": "her password",
    "sip_domain": "pbx.example.com",
    "sip_transport": "tls",
    "sip_port": 0,
}
_MORE = Query(description="Tell everything, not only what old apps expect.")


@router.post(
    "",
    operation_id="registerDevice",
    summary="Register a device",
    responses=replies(
        200,
        "It is known; registering its account has begun.",
        Registered,
        {"device_id": _ID, "status": "registering"},
        s401="No valid token, or the extension's password is wrong.",
        s422="A field is missing or wrong, or the domain is not on the list.",
        s429="Too often, or the user has enough devices.",
    ),
    openapi_extra=example(_NEW),
)
async def register_device(body: NewDevice, who: Who) -> Response:
    """The gateway registers the account and keeps it registered, until the device is deleted."""
    who.doorway.limits.devices.take((who.principal.tenant, who.principal.subject))
    made = await who.ask(
        messages.RegisterDevice,
        platform=body.platform,
        push=_push(body),
        account=account_of(body, body.sip_display_name),
        device_key=body.device_key or "",
    )
    if body.want_device_key and made.device_key:
        return told(Registered(device_id=made.device_id, status=_BEGUN, device_key=made.device_key))
    return told(Registered(device_id=made.device_id, status=_BEGUN))


def _push(body: NewDevice) -> PushTarget:
    return PushTarget(
        kind=body.push_token_kind or "",
        token=body.push_token,
        alert_token=body.alert_token,
        environment=body.environment,
        bundle_id=body.bundle_id or "",
        p256dh=body.p256dh,
        auth=body.auth,
    )


@router.get(
    "",
    operation_id="listDevices",
    summary="The user's devices",
    responses=replies(
        200, "A page of them.", Devices, {"devices": [_DETAIL], "next": None}, s422="The page is none."
    ),
)
async def list_devices(
    who: Who,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = PAGE,
    after: Annotated[str, Query(max_length=255, description="`next` of the page before.")] = "",
) -> Response:
    """Sorted by id."""
    found = await who.ask(messages.ListDevices, limit=limit, after=after or None)
    return told(Devices(devices=[_detail(row) for row in found.rows], next=found.next))


@router.get(
    "/{device_id}",
    operation_id="getDevice",
    summary="How a device does",
    responses=replies(
        200,
        "The device; with `detail=true` all of it.",
        Device | DeviceDetail,
        _DEVICE,
        s404=_UNKNOWN,
        s422="`detail` is neither true nor false.",
    ),
)
async def get_device(device_id: str, who: Who, detail: Annotated[bool, _MORE] = False) -> Response:
    """Whether its account is registered, or why it is not."""
    row = (await who.ask(messages.GetDevice, device_id=device_id)).device
    if detail:
        return told(_detail(row))
    return told(Device(device_id=row.id, sip_status=row.sip_status, active=row.active))


@router.patch(
    "/{device_id}",
    operation_id="changeDevice",
    summary="Change how a device is woken",
    responses=replies(200, "The device as it is now.", DeviceDetail, _DETAIL, s404=_UNKNOWN),
    openapi_extra=example({"push_token": _NEW["push_token"], "environment": "sandbox"}),
)
async def change_device(device_id: str, body: Changes, who: Who) -> Response:
    """For a new token, without telling the SIP password again."""
    who.doorway.limits.devices.take((who.principal.tenant, who.principal.subject))
    found = await who.ask(
        messages.ChangeDevice,
        device_id=device_id,
        push_kind=body.push_token_kind,
        push_token=body.push_token,
        alert_token=body.alert_token,
        environment=body.environment,
        bundle_id=body.bundle_id,
        p256dh=body.p256dh,
        auth=body.auth,
    )
    return told(_detail(found.device))


@router.delete(
    "/{device_id}",
    status_code=204,
    operation_id="removeDevice",
    summary="Forget a device",
    responses=replies(204, "It is not known (any more)."),
)
async def remove_device(device_id: str, who: Who) -> Response:
    """Its account is taken off the registrar with its last device. Unknown ones are no error."""
    await who.ask(messages.RemoveDevice, device_id=device_id)
    return empty(204)


@router.post(
    "/{device_id}/heartbeat",
    status_code=204,
    operation_id="heartbeat",
    summary="The app lives",
    responses=replies(
        204, "Noted.", s404=_UNKNOWN, s410="The device is not active any more: register it again."
    ),
)
async def heartbeat(device_id: str, who: Who) -> Response:
    """Its password is kept for longer, and a registration that failed is tried at once."""
    await who.ask(messages.Heartbeat, device_id=device_id)
    return empty(204)


@router.post(
    "/{device_id}/test-push",
    operation_id="testPush",
    summary="Send a notification that does not ring",
    responses=replies(
        200,
        "What became of it.",
        Tested,
        {"outcome": "sent", "status": 200, "reason": ""},
        s404=_UNKNOWN,
        s409="The device has no token for notifications that do not ring.",
    ),
)
async def test_push(device_id: str, who: Who) -> Response:
    """A visible notification by the alert token, never a call."""
    who.doorway.limits.pushes.take((who.principal.tenant, who.principal.subject))
    done = await who.ask(messages.TestPush, device_id=device_id)
    return told(Tested(outcome=done.outcome, status=done.status, reason=done.reason))


def _detail(row: DeviceRow) -> DeviceDetail:
    return DeviceDetail(
        device_id=row.id,
        sip_status=row.sip_status,
        active=row.active,
        platform=row.platform,
        address=row.address,
        push_token_kind=row.push_kind,
        push_status=row.push_status,
        environment=row.environment,
        bundle_id=row.bundle_id,
        since=rfc3339_or_none(row.since),
        next_try=rfc3339_or_none(row.next_try),
        created_at=rfc3339_or_none(row.created_at),
        seen_at=rfc3339_or_none(row.seen_at),
        live=row.live,
    )
