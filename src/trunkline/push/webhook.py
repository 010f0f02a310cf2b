"""Notifications for a web server of the operator's: a signed POST, whatever the server then does with it.

    Trunkline-Timestamp: 1700000000
    Trunkline-Signature: v1=<hex of HMAC-SHA256 with the secret over "1700000000." and the body>
    Idempotency-Key: <the notification's id: the same for a retry>

See docs/reference/push-webhook.md.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from trunkline.base.errors import ConfigError, TransportError
from trunkline.net.http_client import Answer, ForbiddenUrlError, HttpClient, HttpPlan
from trunkline.net.http_proxy import HttpProxy
from trunkline.push.asking_again import retry_after, tried_twice
from trunkline.push.condition import Condition
from trunkline.push.notification import Fate, Health, Notification, Outcome, PushAddress, Service

MOST_BYTES: Final = 65536
_MEANINGS: Final = {
    409: (Outcome.MISMATCH, "the backend says that the token is another app's"),
    410: (Outcome.GONE, "the backend says that the token is dead"),
    429: (Outcome.BUSY, "the backend asks for fewer"),
}


@dataclass(frozen=True, slots=True)
class WebhookPlan:
    """``secret`` signs; ``timeout_s`` is for one attempt of two at most."""

    url: str
    secret: str = field(repr=False)
    ca: Path | None = None
    proxy: HttpProxy | None = None
    timeout_s: float = 2.5
    at_once: int = 64


class WebhookPusher:
    """Raises ConfigError for a plan that cannot be."""

    service: Service = Service.WEBHOOK

    def __init__(self, plan: WebhookPlan, *, wall: Callable[[], float] = time.time) -> None:
        if not plan.secret:
            raise ConfigError("settings", "push.webhook.secret", "nothing", "a secret to sign with")
        self._plan = plan
        self._wall = wall
        self._condition = Condition(self.service, wall)
        try:
            self._http = HttpClient(
                HttpPlan(
                    named=(plan.url,),
                    ca_file=plan.ca,
                    proxy=plan.proxy,
                    timeout_s=plan.timeout_s,
                    connections=plan.at_once,
                    per_host=plan.at_once,
                )
            )
        except ForbiddenUrlError:
            expected = "an http or https URL without credentials"
            raise ConfigError("settings", "push.webhook.url", "another", expected) from None

    async def start(self) -> None:
        """Nothing runs in the background."""

    async def stop(self) -> None:
        await self._http.close()

    def health(self) -> Health:
        return self._condition.health()

    def aim_of(self, address: PushAddress) -> str:
        """None: the operator's backend knows itself whose fault it is."""
        return ""

    async def send(self, notification: Notification) -> Fate:
        body = body_of(notification)
        if len(body) > MOST_BYTES:
            return Fate(Outcome.REFUSED, reason=f"{len(body)} bytes, and webhooks take {MOST_BYTES}")
        fate = await tried_twice(lambda: self._try(notification, body), notification)
        if fate.outcome in {Outcome.UNAVAILABLE, Outcome.REFUSED}:
            self._condition.bad(f"{fate.status or ''} {fate.reason}".strip())
        else:
            self._condition.good()
        return fate

    async def _try(self, notification: Notification, body: bytes) -> Fate:
        timestamp = str(int(self._wall()))
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": notification.id,
            "Trunkline-Timestamp": timestamp,
            "Trunkline-Signature": f"v1={signature_of(self._plan.secret, timestamp, body)}",
        }
        try:
            answer = await self._http.post(self._plan.url, body, headers)
        except TransportError as error:
            return Fate(Outcome.UNAVAILABLE, reason=str(error))
        return fate_of(answer, self._wall())


def signature_of(secret: str, timestamp: str, body: bytes) -> str:
    """Hex digits of HMAC-SHA256 over the timestamp, a full stop and the body: neither can be changed by itself."""
    return hmac.new(secret.encode(), timestamp.encode("ascii") + b"." + body, hashlib.sha256).hexdigest()


def body_of(notification: Notification) -> bytes:
    """JSON in UTF-8; see docs/reference/push-webhook.md for its names."""
    address = notification.address
    return json.dumps(
        {
            "id": notification.id,
            "purpose": notification.purpose.value,
            "token": address.token,
            "kind": address.kind,
            "app": address.app,
            "data": dict(notification.data),
            "title": notification.title,
            "body": notification.body,
            "expires_at": notification.expires_at,
            "collapse": notification.collapse,
        },
        separators=(",", ":"),
        ensure_ascii=False,
    ).encode()


def fate_of(answer: Answer, now: float) -> Fate:
    """Any 2xx is fine; 410 and 409 are about the token, 429 and 5xx about the moment."""
    outcome, reason = _meaning(answer.status)
    return Fate(outcome, answer.status, reason, retry_after_s=retry_after(answer.headers, now))


def _meaning(status: int) -> tuple[Outcome, str]:
    if 200 <= status < 300:
        return Outcome.SENT, ""
    if status >= 500:
        return Outcome.UNAVAILABLE, "the backend is in trouble"
    return _MEANINGS.get(status, (Outcome.REFUSED, "the backend does not take it"))
