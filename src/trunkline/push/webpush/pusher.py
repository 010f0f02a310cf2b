"""Sends to the endpoint of a subscription (RFC 8030): a browser's push service, or a UnifiedPush server.

The endpoint comes from a stranger. It is asked within TLS and at public addresses alone (``net.http_client``), and what
goes wrong there says nothing about us: health tells of our own key, not of others' servers.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trunkline.base.errors import LocalProtocolError, TransportError
from trunkline.net.http_client import Answer, ForbiddenUrlError, HttpClient, HttpPlan, origin_of
from trunkline.net.http_proxy import HttpProxy
from trunkline.net.public_addresses import Network
from trunkline.push.asking_again import retry_after, tried_twice
from trunkline.push.condition import Condition
from trunkline.push.notification import Fate, Health, Notification, Outcome, Purpose, PushAddress, Service
from trunkline.push.webpush.encryption import PADDED_TO, Subscription, encrypt
from trunkline.push.webpush.origins import Origins
from trunkline.push.webpush.vapid import VapidKey

_LONGEST_S: Final = 2_419_200
_OK: Final = {200, 201, 202, 204}
_ENDED: Final = (Outcome.GONE, "the subscription has ended")
_MEANINGS: Final = {
    403: (Outcome.MISMATCH, "the subscription was made with another key"),  # RFC 8292 §4.2
    404: _ENDED,  # RFC 8030 §7.3
    410: _ENDED,
    413: (Outcome.REFUSED, "the message is too large"),
    429: (Outcome.BUSY, "too many messages"),
}
_is_topic = re.compile(r"[A-Za-z0-9_-]{1,32}\Z").match


@dataclass(frozen=True, slots=True)
class WebPushPlan:
    """``inside`` are networks where endpoints may be although they are not public.

    ``named`` are URLs of the operator's own push server, which may also be inside and without TLS. ``padded_to`` bytes
    and their multiples are the only lengths that others see. ``timeout_s`` is for one attempt of two at most.
    """

    inside: tuple[Network, ...] = ()
    named: tuple[str, ...] = ()
    ca: Path | None = None
    proxy: HttpProxy | None = None
    timeout_s: float = 2.5
    at_once: int = 64
    padded_to: int = PADDED_TO


class WebPushPusher:
    """Raises ConfigError for a CA file that cannot be used."""

    service: Service = Service.WEBPUSH

    def __init__(self, plan: WebPushPlan, key: VapidKey, *, wall: Callable[[], float] = time.time) -> None:
        self._plan = plan
        self._key = key
        self._wall = wall
        self._condition = Condition(self.service, wall)
        self._origins = Origins()
        self._http = HttpClient(
            HttpPlan(
                named=plan.named,
                inside=plan.inside,
                ca_file=plan.ca,
                proxy=plan.proxy,
                timeout_s=plan.timeout_s,
                connections=plan.at_once,
                per_host=plan.at_once,
            )
        )

    @property
    def public_key(self) -> str:
        """The applicationServerKey that apps subscribe with, base64url."""
        return self._key.public

    async def start(self) -> None:
        """Nothing runs in the background."""

    async def stop(self) -> None:
        await self._http.close()

    def health(self) -> Health:
        return self._condition.health()

    def aim_of(self, address: PushAddress) -> str:
        """One key for all (RFC 8292 §4.2), wherever their endpoints are."""
        return "our key"

    async def send(self, notification: Notification) -> Fate:
        fate = await tried_twice(lambda: self._try(notification), notification)
        if fate.outcome is Outcome.SENT:
            self._condition.good()
        return fate

    async def _try(self, notification: Notification) -> Fate:
        endpoint = notification.address.token
        try:
            origin = origin_of(endpoint)
            body = self._body(notification)
        except (LocalProtocolError, ForbiddenUrlError) as error:
            return Fate(Outcome.REFUSED, reason=str(error))
        headers = headers_of(notification, self._wall(), encrypted=bool(body))
        headers["Authorization"] = self._key.authorization(origin, self._wall())
        if not self._origins.enter(origin):
            return Fate(Outcome.UNAVAILABLE, reason="the push service does not answer")
        answer: Answer | None = None
        try:
            answer = await self._http.post(endpoint, body, headers)
        except ForbiddenUrlError as error:
            return Fate(Outcome.REFUSED, reason=str(error))
        except TransportError as error:
            return Fate(Outcome.UNAVAILABLE, reason=str(error))
        finally:
            self._origins.leave(origin, answered=answer is not None)
        return fate_of(answer, self._wall())

    def _body(self, notification: Notification) -> bytes:
        """Without keys there is no text: a phone that only registers anew (RFC 8599) needs none (RFC 8030 §5)."""
        address = notification.address
        if not address.p256dh and not address.auth:
            return b""
        return encrypt(
            text_of(notification),
            Subscription.of(address.p256dh, address.auth),
            padded_to=self._plan.padded_to,
        )


def check_address(address: PushAddress) -> None:
    """Raises LocalProtocolError or ForbiddenUrlError for a subscription that nothing can be sent to."""
    if not origin_of(address.token).startswith("https://"):
        raise ForbiddenUrlError("an endpoint without TLS")
    Subscription.of(address.p256dh, address.auth)


def text_of(notification: Notification) -> bytes:
    """What the app decrypts: one JSON object of texts, the data with ``title`` and ``body`` among them."""
    texts = {"title": notification.title, "body": notification.body}
    shown = {key: value for key, value in texts.items() if value}
    return json.dumps({**shown, **notification.data}, separators=(",", ":"), ensure_ascii=False).encode()


def headers_of(notification: Notification, now: float, *, encrypted: bool = True) -> dict[str, str]:
    """TTL, Urgency and Topic (RFC 8030 §5.2 to §5.4): a call comes now or never."""
    calls = notification.purpose is Purpose.CALL
    left = 0 if calls else int(max(0.0, min(notification.expires_at - now, _LONGEST_S)))
    headers = {"TTL": str(left), "Urgency": "high" if calls else "normal"}
    if encrypted:
        headers |= {"Content-Encoding": "aes128gcm", "Content-Type": "application/octet-stream"}
    if notification.collapse:
        headers["Topic"] = _topic(notification.collapse)
    return headers


def fate_of(answer: Answer, now: float) -> Fate:
    """RFC 8030 §5 and §7, RFC 8292 §4.2."""
    outcome, reason = _meaning(answer.status)
    return Fate(outcome, answer.status, reason, retry_after_s=retry_after(answer.headers, now))


def _meaning(status: int) -> tuple[Outcome, str]:
    if status in _OK:
        return Outcome.SENT, ""
    if status >= 500:
        return Outcome.UNAVAILABLE, "the push service is in trouble"
    return _MEANINGS.get(status, (Outcome.REFUSED, "the push service does not take it"))


def _topic(collapse: str) -> str:
    """At most 32 characters of base64url (RFC 8030 §5.4): as it is when it fits, else of its hash."""
    if _is_topic(collapse):
        return collapse
    return base64.urlsafe_b64encode(hashlib.sha256(collapse.encode()).digest())[:32].decode("ascii")
