"""Mobile devices, their accounts and their calls, as they are kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from trunkline.base.values import value

REST: Final = "rest"
SIP: Final = "sip"


@dataclass(slots=True)
class MobileAccount:
    """Who some devices are at a PBX. ``id`` (32 hex digits) is the user of our Contact there.

    ``user`` and ``domain`` make the address of record; ``registrar`` is a host, ``transport`` udp, tcp or tls,
    ``port`` 0 when DNS says it. ``auth_username`` and ``display_name`` are "" for none. ``secret`` is the sealed
    password, None once it was purged, and for an extension of ours (``own``). Times are wall-clock seconds:
    ``used_at`` is when one of its devices was last heard.
    """

    tenant: str
    id: str
    user: str
    domain: str
    registrar: str
    transport: str
    port: int
    auth_username: str
    display_name: str
    secret: str | None = field(repr=False)
    own: bool
    used_at: float
    created_at: float


@dataclass(slots=True)
class MobileDevice:
    """An app on a phone. ``id`` is a UUID, ``owner`` the user whom tokens name, ``account_id`` the account's id.

    ``kind`` is REST, or SIP for a phone that registers by itself and is woken by RFC 8599; such a device has no
    account: ``user`` is its extension, ``push_token`` its pn-prid, ``bundle_id`` its pn-param, ``service`` its
    pn-provider. ``key_hash`` is the SHA-256 of its device key, "" without one. ``push_kind`` is ``voip``, ``token``,
    ``fid``, ``webpush`` or ``webhook``. ``disabled_why`` says why no push goes there, "" when one does. ``active`` is
    false once its password was purged. Times are wall-clock seconds: ``registered_at`` is when we were last told its
    push token.
    """

    tenant: str
    id: str
    owner: str
    account_id: str | None
    kind: str
    user: str
    platform: str
    key_hash: str = field(repr=False)
    service: str
    push_kind: str
    push_token: str = field(repr=False)
    alert_token: str = field(repr=False)
    environment: str
    bundle_id: str
    team: str
    p256dh: str = field(repr=False)
    auth: str = field(repr=False)
    active: bool
    disabled_why: str
    created_at: float
    registered_at: float
    seen_at: float


@value
class MobileCall:
    """One device's part in a call. ``id`` is its token; ``body`` is JSON that ``trunkline.mobile`` reads."""

    tenant: str
    id: str
    call: str
    leg: str
    device_id: str
    owner: str
    state: str
    body: str
    updated_at: float


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The key of a tenant's backend: ``hash`` is its SHA-256 in hexadecimal."""

    tenant: str
    hash: str
    created_at: float
