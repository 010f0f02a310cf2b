"""How an app is woken, as the app gives it: read strictly, each kind by its own rules."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from trunkline.base.messages import Refused
from trunkline.base.messages.devices import PushTarget
from trunkline.push.notification import Service

PLATFORMS: Final = ("ios", "android", "web", "other")
ENVIRONMENTS: Final = ("production", "sandbox")
SERVICES: Final = {
    "voip": Service.APNS,
    "token": Service.FCM,
    "fid": Service.FCM,
    "webpush": Service.WEBPUSH,
    "webhook": Service.WEBHOOK,
}
DEFAULT_KINDS: Final = {"ios": "voip", "android": "token", "web": "webpush", "other": "webhook"}
_MOST_URL: Final = 2048
_is_hex = re.compile(r"(?:[0-9A-Fa-f]{2}){16,128}\Z").match  # 32 bytes today; Apple says not to rely on it
_is_token = re.compile(r"[A-Za-z0-9_:.~%+/=-]{1,4096}\Z").match
_is_bundle = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\Z").match
_is_key = re.compile(r"[A-Za-z0-9_-]{87}\Z").match  # RFC 8291 §3.1: 65 bytes
_is_auth = re.compile(r"[A-Za-z0-9_-]{22}\Z").match  # 16 bytes
_is_url = re.compile(r"[!-~]+\Z").match


@dataclass(frozen=True, slots=True)
class PushForm:
    """A push address that can be used; ``service`` carries it."""

    service: Service
    kind: str
    token: str = field(repr=False)
    alert_token: str = field(repr=False)
    environment: str
    bundle_id: str
    p256dh: str = field(repr=False)
    auth: str = field(repr=False)


def read_platform(platform: str) -> str:
    """Refused with ``device.platform`` 422."""
    if platform in PLATFORMS:
        return platform
    raise Refused("device.platform", "platform is not known", f"expected {', '.join(PLATFORMS)}", 422)


def read_push(platform: str, push: PushTarget) -> PushForm:
    """The address of a request; refused with ``device.push`` 422. ``kind`` "" is what the platform has."""
    kind = push.kind or DEFAULT_KINDS[platform]
    service = SERVICES.get(kind)
    if service is None:
        raise _invalid("push_token_kind", ", ".join(SERVICES))
    if kind == "voip" and platform != "ios":
        raise _invalid("push_token_kind", "token, fid, webpush or webhook: VoIP pushes are for ios alone")
    if push.environment not in ENVIRONMENTS:
        raise _invalid("environment", " or ".join(ENVIRONMENTS))
    bundle = push.bundle_id.removesuffix(".voip") if service is Service.APNS else push.bundle_id
    if len(bundle) > 255 or (bundle and not _is_bundle(bundle)):
        raise _invalid("bundle_id", "a name such as com.example.app")
    _check_token(service, push)
    p256dh, auth = push.p256dh.rstrip("="), push.auth.rstrip("=")
    if service is Service.WEBPUSH and not (_is_key(p256dh) and _is_auth(auth)):
        raise _invalid("p256dh or auth", "the keys of the subscription: 65 and 16 bytes as base64url")
    if service is not Service.WEBPUSH:
        p256dh = auth = ""
    return PushForm(service, kind, push.token, push.alert_token, push.environment, bundle, p256dh, auth)


def _check_token(service: Service, push: PushTarget) -> None:
    if service is Service.APNS:
        if not _is_hex(push.token):
            raise _invalid("push_token", "the VoIP token as 32 to 256 hexadecimal digits, two for each byte")
        if push.alert_token and not _is_hex(push.alert_token):
            raise _invalid(
                "alert_token", "the normal token as 32 to 256 hexadecimal digits, two for each byte"
            )
        return
    if push.alert_token and not (_is_url(push.alert_token) and len(push.alert_token) <= 4096):
        raise _invalid("alert_token", "at most 4096 printable characters")
    if service is Service.WEBPUSH:
        _check_endpoint(push.token)
    elif not _is_token(push.token):
        raise _invalid("push_token", "1 to 4096 letters, digits or _:.~%+/=-")


def _check_endpoint(url: str) -> None:
    """Who is asked by it is checked again where it is looked up: a name may lead to an address of ours."""
    wanted = "the endpoint of the subscription, an https URL"
    if len(url) > _MOST_URL or not _is_url(url):
        raise _invalid("push_token", wanted)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _invalid("push_token", wanted) from None
    if parts.scheme != "https" or not parts.hostname or parts.username is not None or parts.fragment:
        raise _invalid("push_token", wanted)
    if port == 0:
        raise _invalid("push_token", wanted)


def _invalid(name: str, expected: str) -> Refused:
    return Refused("device.push", f"{name} is not usable", f"expected {expected}", 422)
