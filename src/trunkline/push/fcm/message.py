"""A notification as FCM's v1 API takes it (projects.messages.send): data alone, so that the app itself shows it.

A ``notification`` block would be shown by the system and would not start the app's code; the app decides what a call or
a missed call looks like, and finds ``title`` and ``body`` of the latter among the data.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from trunkline.base.errors import LocalProtocolError
from trunkline.push.notification import Notification, Purpose

MOST_BYTES: Final = 4096
LONGEST_S: Final = 2_419_200  # four weeks, FCM's limit
KINDS: Final = {"", "token", "fid"}
_is_reserved = re.compile(r"from\Z|message_type\Z|notification\Z|gcm|google").match


def message_of(notification: Notification, now: float) -> bytes:
    """The body of the request, JSON. Raises LocalProtocolError for what FCM would refuse, without any token in it.

    Calls are HIGH and ``ttl`` 0: now or never. Everything else is NORMAL: an app that shows nothing for messages of
    high priority loses that priority for days.
    """
    address = notification.address
    if address.kind not in KINDS:
        raise LocalProtocolError(f"a device of the kind {address.kind!a:.20}, expected token or fid")
    if not address.token:
        raise LocalProtocolError("a device without a token")
    message = {
        address.kind or "token": address.token,
        "data": _data(notification),
        "android": _android(notification, now),
    }
    return json.dumps({"message": message}, separators=(",", ":"), ensure_ascii=False).encode()


def _data(notification: Notification) -> dict[str, str]:
    data = {key: str(value) for key, value in notification.data.items()}
    if notification.purpose is not Purpose.CALL:  # the app rings as it likes
        for key, value in (("title", notification.title), ("body", notification.body)):
            if value:
                data.setdefault(key, value)
    for key in data:
        if _is_reserved(key):
            raise LocalProtocolError(f"a data key that FCM keeps for itself: {key!a:.40}")
    size = sum(len(key.encode()) + len(value.encode()) for key, value in data.items())
    if size > MOST_BYTES:
        raise LocalProtocolError(f"{size} bytes of data, and FCM takes {MOST_BYTES}")
    return data


def _android(notification: Notification, now: float) -> dict[str, Any]:
    if notification.purpose is Purpose.CALL:
        return {"priority": "HIGH", "ttl": "0s"}
    left = int(max(0.0, min(notification.expires_at - now, LONGEST_S)))
    android = {"priority": "NORMAL", "ttl": f"{left}s"}
    if notification.collapse:
        android["collapse_key"] = notification.collapse
    return android
