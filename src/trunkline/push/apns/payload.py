"""A notification as APNs wants it: headers and JSON.

Apple: "Sending notification requests to APNs", "Generating a remote notification", "Responding to VoIP notifications
from PushKit". The fields of a call are those that existing apps read: ``aps`` with alert, sound and content-available,
and beside it the data as they are.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Final

from pydantic_core import PydanticSerializationError, to_json

from trunkline.base.values import value
from trunkline.push.apns.connection import Request
from trunkline.push.notification import Notification, Purpose

VOIP_SUFFIX: Final = ".voip"
VOIP: Final = "voip"
MAX_VOIP: Final = 5120
MAX_OTHER: Final = 4096
MAX_COLLAPSE: Final = 64
MAX_TITLE: Final = 120  # characters; a phone shows fewer, and a long name must not make a push too large
MAX_TEXT: Final = 400
RINGTONE: Final = "ringtone.caf"

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
_token_of_apple = re.compile(r"[0-9A-Fa-f]{8,400}").fullmatch
_topic = re.compile(r"[A-Za-z0-9.-]{1,200}").fullmatch
_uuid = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}").fullmatch


class UnfitError(Exception):
    """A notification that APNs would refuse; ``reason`` is its word for it, else ours."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@value
class Composed:
    """All of a request but who we are. ``token`` is the device's."""

    token: str = field(repr=False)
    topic: str
    push_type: str
    priority: int
    expiration: int
    id: str
    body: bytes = field(repr=False)
    collapse: str = ""

    def request(self, authorization: bytes) -> Request:
        """``authorization`` is ``bearer ...``, or empty where a certificate says who we are."""
        usual = [
            (b"apns-topic", self.topic.encode("ascii")),
            (b"apns-push-type", self.push_type.encode("ascii")),
            (b"apns-priority", b"%d" % self.priority),
            (b"content-type", b"application/json"),
        ]
        if authorization:
            usual.append((b"authorization", authorization))
        own = [(b"apns-expiration", b"%d" % self.expiration), (b"apns-id", self.id.encode("ascii"))]
        if self.collapse:
            own.append((b"apns-collapse-id", self.collapse.encode()))
        return Request(f"/3/device/{self.token}".encode("ascii"), tuple(usual), tuple(own), self.body)


def compose(notification: Notification, bundle_id: str) -> Composed:
    """Raises UnfitError for what can never be delivered. ``bundle_id`` is for addresses that name no app."""
    address = notification.address
    if _token_of_apple(address.token) is None:
        raise UnfitError("BadDeviceToken")
    if _uuid(notification.id) is None:
        raise UnfitError("BadMessageId")
    bundle = bundle_of(address.app or bundle_id)
    if not bundle:
        raise UnfitError("MissingTopic")
    if _topic(bundle) is None:
        raise UnfitError("BadTopic")
    kind = address.kind or (VOIP if notification.purpose is Purpose.CALL else "alert")
    if kind == VOIP:
        return _voip(notification, bundle)
    if notification.purpose is Purpose.BACKGROUND:
        return _plain(notification, bundle, "background", 5, {"content-available": 1})
    return _plain(notification, bundle, "alert", 10, _alert(notification))


def bundle_of(topic: str) -> str:
    """The bundle id, whether or not somebody wrote the topic of VoIP pushes."""
    return topic.removesuffix(VOIP_SUFFIX)


def _voip(notification: Notification, bundle: str) -> Composed:
    """Only calls: an app that gets any other VoIP push and shows no call is ended by iOS, and soon gets none any more.

    A late one would ring for a dead call: it is delivered at once or never (expiration 0).
    """
    if notification.purpose is not Purpose.CALL:
        raise UnfitError("InvalidPushType")
    body = _json(_call(notification), notification.data, MAX_VOIP)
    topic = bundle + VOIP_SUFFIX
    return Composed(notification.address.token, topic, VOIP, 10, 0, notification.id.lower(), body)


def _plain(
    notification: Notification, bundle: str, push_type: str, priority: int, aps: Mapping[str, Any]
) -> Composed:
    call = notification.purpose is Purpose.CALL
    return Composed(
        notification.address.token,
        bundle,
        push_type,
        priority,
        0 if call else max(0, int(notification.expires_at)),
        notification.id.lower(),
        _json(aps, notification.data, MAX_OTHER),
        _collapse(notification.collapse),
    )


def _call(notification: Notification) -> dict[str, Any]:
    data = notification.data
    who = data.get("callerName") or data.get("callerUri") or "Somebody"
    return {
        "alert": {
            "title": (notification.title or "Incoming Call")[:MAX_TITLE],
            "body": (notification.body or f"{who} is calling")[:MAX_TEXT],
        },
        "sound": RINGTONE,
        "content-available": 1,
    }


def _alert(notification: Notification) -> dict[str, Any]:
    """A call goes this way to an app that has no VoIP token."""
    if notification.purpose is Purpose.CALL:
        return _call(notification)
    shown = {"title": notification.title[:MAX_TITLE], "body": notification.body[:MAX_TEXT]}
    return {"alert": {name: text for name, text in shown.items() if text}, "sound": "default"}


def _json(aps: Mapping[str, Any], data: Mapping[str, str], most: int) -> bytes:
    if "aps" in data:
        raise UnfitError("the data may not have the key aps")
    whole = {"aps": aps, **data}
    try:
        body = to_json(whole)
    except PydanticSerializationError:  # bytes that are no UTF-8, which texts carry as surrogates
        body = _encode(whole).encode(errors="replace")
    if len(body) > most:
        raise UnfitError("PayloadTooLarge")
    return body


def _collapse(name: str) -> str:
    """At most 64 bytes; a longer name is told by its hash, so that two of them stay two."""
    if len(name.encode(errors="replace")) <= MAX_COLLAPSE and name.isascii() and name.isprintable():
        return name
    return hashlib.sha256(name.encode(errors="replace")).hexdigest()
