"""What Apple's answers mean (Apple: "Handling notification responses from APNs")."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any, Final

from trunkline.base.values import value
from trunkline.push.apns.connection import Reply
from trunkline.push.notification import Fate, Outcome


class Remedy(StrEnum):
    """What may be tried before a fate is final.

    ``NONE``: nothing. ``ELSEWHERE``: the same once more, on another connection. ``FLIP``: the other environment.
    ``RENEW``: a new provider token. ``ALARM``: nothing, and somebody must mend keys or settings. ``PAUSE``: the same,
    and no new provider token for 20 minutes.
    """

    NONE = "none"
    ELSEWHERE = "elsewhere"
    FLIP = "flip"
    RENEW = "renew"
    ALARM = "alarm"
    PAUSE = "pause"


@value
class Verdict:
    """``fate`` holds unless ``remedy`` does better."""

    fate: Fate
    remedy: Remedy


_MEANINGS: Final[dict[tuple[int, str], tuple[Outcome, Remedy]]] = {
    (400, "BadCollapseId"): (Outcome.REFUSED, Remedy.NONE),
    (400, "BadDeviceToken"): (Outcome.MISMATCH, Remedy.FLIP),
    (400, "BadExpirationDate"): (Outcome.REFUSED, Remedy.NONE),
    (400, "BadMessageId"): (Outcome.REFUSED, Remedy.NONE),
    (400, "BadPriority"): (Outcome.REFUSED, Remedy.NONE),
    (400, "BadTopic"): (Outcome.REFUSED, Remedy.ALARM),
    (400, "DeviceTokenNotForTopic"): (Outcome.MISMATCH, Remedy.FLIP),
    (400, "DuplicateHeaders"): (Outcome.REFUSED, Remedy.NONE),
    (400, "IdleTimeout"): (Outcome.UNAVAILABLE, Remedy.ELSEWHERE),
    (400, "InvalidPushType"): (Outcome.REFUSED, Remedy.NONE),
    (400, "MissingDeviceToken"): (Outcome.REFUSED, Remedy.NONE),
    (400, "MissingTopic"): (Outcome.REFUSED, Remedy.ALARM),
    (400, "PayloadEmpty"): (Outcome.REFUSED, Remedy.NONE),
    (400, "TopicDisallowed"): (Outcome.REFUSED, Remedy.ALARM),
    (403, "BadCertificate"): (Outcome.REFUSED, Remedy.ALARM),
    (403, "BadCertificateEnvironment"): (Outcome.REFUSED, Remedy.ALARM),
    (403, "ExpiredProviderToken"): (Outcome.REFUSED, Remedy.RENEW),
    (403, "Forbidden"): (Outcome.REFUSED, Remedy.ALARM),
    (403, "InvalidProviderToken"): (Outcome.REFUSED, Remedy.ALARM),
    (403, "MissingProviderToken"): (Outcome.REFUSED, Remedy.ALARM),
    # A connection is bound to the key of its first request: a new key needs a new one.
    (403, "UnrelatedKeyIdInToken"): (Outcome.REFUSED, Remedy.ELSEWHERE),
    (403, "BadEnvironmentKeyIdInToken"): (Outcome.REFUSED, Remedy.ALARM),
    (403, "BadEnvironmentKeyInToken"): (Outcome.REFUSED, Remedy.ALARM),  # what the servers really say
    (404, "BadPath"): (Outcome.REFUSED, Remedy.NONE),
    (405, "MethodNotAllowed"): (Outcome.REFUSED, Remedy.NONE),
    (410, "ExpiredToken"): (Outcome.GONE, Remedy.NONE),
    (410, "Unregistered"): (Outcome.GONE, Remedy.NONE),
    (413, "PayloadTooLarge"): (Outcome.REFUSED, Remedy.NONE),
    (429, "TooManyProviderTokenUpdates"): (Outcome.UNAVAILABLE, Remedy.PAUSE),
    (429, "TooManyRequests"): (Outcome.BUSY, Remedy.NONE),
    (500, "InternalServerError"): (Outcome.UNAVAILABLE, Remedy.ELSEWHERE),
    (503, "ServiceUnavailable"): (Outcome.UNAVAILABLE, Remedy.ELSEWHERE),
    (503, "Shutdown"): (Outcome.UNAVAILABLE, Remedy.ELSEWHERE),
}
REASONS: Final = frozenset(_MEANINGS)
# For a reason that is new: a status alone says enough.
_BY_STATUS: Final = {
    410: (Outcome.GONE, Remedy.NONE),
    403: (Outcome.REFUSED, Remedy.ALARM),
    429: (Outcome.BUSY, Remedy.NONE),
}


def verdict_of(reply: Reply) -> Verdict:
    """Never raises, whatever the answer says."""
    if reply.status == 200:
        return Verdict(Fate(Outcome.SENT, 200), Remedy.NONE)
    said = _said(reply.body)
    reason = _word(said.get("reason"))
    outcome, remedy = _MEANINGS.get((reply.status, reason)) or _meaning_of(reply.status)
    since = _since(said.get("timestamp")) if outcome is Outcome.GONE else None
    fate = Fate(outcome, reply.status, reason, since, _retry_after(reply.headers.get(b"retry-after", b"")))
    return Verdict(fate, remedy)


def _meaning_of(status: int) -> tuple[Outcome, Remedy]:
    if status >= 500:
        return Outcome.UNAVAILABLE, Remedy.ELSEWHERE
    return _BY_STATUS.get(status, (Outcome.REFUSED, Remedy.NONE))


def _said(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _word(reason: object) -> str:
    """Apple's words are letters; anything else does not get into logs."""
    if isinstance(reason, str) and reason.isascii() and reason.isalnum() and len(reason) <= 60:
        return reason
    return ""


def _since(timestamp: object) -> float | None:
    """Milliseconds since 1970 as seconds; None for what is no time (before 2001 or after 2100)."""
    if isinstance(timestamp, int | float) and 978_307_200_000 <= timestamp <= 4_102_444_800_000:
        return timestamp / 1000
    return None


def _retry_after(value: bytes) -> float:
    """Seconds, at most a day (RFC 9110 §10.2.3; the form with a date is not used here)."""
    return min(float(value), 86_400.0) if value.isdigit() and len(value) < 9 else 0.0
