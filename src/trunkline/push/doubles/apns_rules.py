"""What Apple checks of a request, and what it answers when something is wrong.

Apple: "Sending notification requests to APNs", "Handling notification responses from APNs", "Establishing a token-based
connection to APNs".
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

PATH: Final = "/3/device/"
TOO_OLD_S: Final = 3600.0
AHEAD_S: Final = 300.0
CHANGED_S: Final = 1200.0
_TYPES: Final = frozenset({
    "alert", "background", "complication", "controls", "fileprovider", "liveactivity", "location", "mdm",
    "pushtotalk", "voip", "widgets",
})  # fmt: skip
_PRIORITIES: Final = frozenset(("", "1", "5", "10"))

_hex = re.compile(r"(?:[0-9A-Fa-f]{2}){4,200}").fullmatch
_uuid = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}").fullmatch


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came. ``certificate`` is the common name of the client's certificate, "" without one."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes
    repeated: bool = False
    certificate: str = ""

    @property
    def token(self) -> str:
        return self.path.removeprefix(PATH)


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who asks, by the provider token. ``text`` is the token itself."""

    team: str
    key_id: str
    issued: float
    text: str = field(repr=False)


def wrong_with_request(asked: Asked) -> tuple[int, str] | None:
    """What stands in the way before anybody asks who it is: method, path, a device token that is none."""
    if asked.method != "POST":
        return 405, "MethodNotAllowed"
    if not asked.path.startswith(PATH):
        return 404, "BadPath"
    if not asked.token:
        return 400, "MissingDeviceToken"
    if asked.repeated:
        return 400, "DuplicateHeaders"
    return None


def wrong_with_push(asked: Asked) -> tuple[int, str] | None:
    """What is wrong with the push itself."""
    if _hex(asked.token) is None:
        return 400, "BadDeviceToken"
    return _wrong_with_headers(asked.headers) or _wrong_with_topic(asked) or _wrong_with_body(asked)


def _wrong_with_headers(headers: Mapping[str, str]) -> tuple[int, str] | None:
    if (said := headers.get("apns-id")) is not None and _uuid(said) is None:
        return 400, "BadMessageId"
    if not headers.get("apns-expiration", "0").isdigit():
        return 400, "BadExpirationDate"
    if len(headers.get("apns-collapse-id", "").encode()) > 64:
        return 400, "BadCollapseId"
    push_type = headers.get("apns-push-type", "alert")
    if push_type not in _TYPES:
        return 400, "InvalidPushType"
    priority = headers.get("apns-priority", "")
    if priority not in _PRIORITIES or (push_type == "background" and priority not in {"", "5"}):
        return 400, "BadPriority"
    return None


def _wrong_with_topic(asked: Asked) -> tuple[int, str] | None:
    topic = asked.headers.get("apns-topic", "")
    if not topic:
        return 400, "MissingTopic"
    if not re.fullmatch(r"[A-Za-z0-9.-]+", topic) or topic.endswith(".voip.voip"):
        return 400, "BadTopic"
    is_voip = asked.headers.get("apns-push-type", "alert") == "voip"
    if topic.endswith(".voip") != is_voip:
        return (400, "BadTopic") if is_voip else (400, "InvalidPushType")
    if asked.certificate and topic.removesuffix(".voip") != asked.certificate:
        return 400, "TopicDisallowed"
    return None


def _wrong_with_body(asked: Asked) -> tuple[int, str] | None:
    if not asked.body:
        return 400, "PayloadEmpty"
    if len(asked.body) > (5120 if asked.headers.get("apns-push-type") == "voip" else 4096):
        return 413, "PayloadTooLarge"
    return None


def bearer_of(asked: Asked, now: float) -> Bearer | tuple[int, str]:
    """Whom the provider token names; or what is wrong with it. The signature's form is checked, not its key."""
    said = asked.headers.get("authorization", "")
    scheme, _, text = said.partition(" ")
    if not said:
        return 403, "MissingProviderToken"
    parts = text.split(".")
    if scheme.lower() != "bearer" or len(parts) != 3:
        return 403, "InvalidProviderToken"
    head, claims = _part(parts[0]), _part(parts[1])
    team, key_id, issued = claims.get("iss"), head.get("kid"), claims.get("iat")
    if head.get("alg") != "ES256" or not _is_id(team) or not _is_id(key_id) or len(_bytes(parts[2])) != 64:
        return 403, "InvalidProviderToken"
    if not isinstance(issued, int | float) or issued > now + AHEAD_S:
        return 403, "InvalidProviderToken"
    if issued < now - TOO_OLD_S:
        return 403, "ExpiredProviderToken"
    return Bearer(str(team), str(key_id), float(issued), text)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and len(value) == 10 and value.isalnum()


def _part(text: str) -> dict[str, Any]:
    try:
        found = json.loads(_bytes(text))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _bytes(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""


class TokenChanges:
    """Whether a team's provider token changes too often: more than ``most`` times in 20 minutes.

    One that takes the place of a token that was called expired does not count.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[str, str] = {}
        self._changed: dict[str, list[float]] = {}
        self._excused: set[str] = set()
        self.seen: set[str] = set()
        """All provider tokens that came."""

    def excuse(self, bearer: Bearer) -> None:
        """This one was called expired: the next one is welcome."""
        self._excused.add(bearer.text)

    def too_many(self, bearer: Bearer, now: float) -> bool:
        self.seen.add(bearer.text)
        who = f"{bearer.team}/{bearer.key_id}"
        last = self._known.get(who, bearer.text)
        self._known[who] = bearer.text
        times = [time for time in self._changed.get(who, []) if time > now - CHANGED_S]
        if last != bearer.text and last not in self._excused:
            times.append(now)
        self._changed[who] = times
        return len(times) > self._most
