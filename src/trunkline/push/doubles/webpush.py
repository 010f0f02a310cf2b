"""A stand-in for a Web Push service (RFC 8030): it makes subscriptions, and reads what is sent to them.

A real service cannot read a message; this one keeps the keys of the subscriptions that it makes, so that tests and
developers see the plain text.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from trunkline.base.errors import RemoteProtocolError
from trunkline.push.doubles.answers import Answers, Scripted
from trunkline.push.doubles.authority import Authority
from trunkline.push.doubles.stand_in import Pushes
from trunkline.push.doubles.web_server import WebServer, read_body
from trunkline.push.webpush.base64url import decoded, encoded
from trunkline.push.webpush.encryption import RECORD, decrypt

_MOST_SUBSCRIPTIONS: Final = 100_000
_DAY_S: Final = 86_400
_URGENCIES: Final = {"very-low", "low", "normal", "high"}
_is_topic = re.compile(r"[A-Za-z0-9_-]{1,32}\Z").match
_vapid = re.compile(r"vapid\s+t=([A-Za-z0-9_.-]+)\s*,\s*k=([A-Za-z0-9_-]+)\Z", re.IGNORECASE).match


@dataclass(frozen=True, slots=True)
class FakeSubscription:
    """What an app gives its gateway, and the key that it keeps. ``server_key`` is whose messages alone are taken."""

    endpoint: str
    p256dh: str
    auth: str
    key: ec.EllipticCurvePrivateKey = field(repr=False)
    server_key: str = ""

    def row(self) -> dict[str, Any]:
        """As ``PushSubscription.toJSON`` has it."""
        return {"endpoint": self.endpoint, "keys": {"p256dh": self.p256dh, "auth": self.auth}}


@dataclass(frozen=True, slots=True)
class WebPush:
    """One message, decrypted. ``status`` is what was answered, 0 for nothing; ``size`` is that of the whole body.

    ``why`` says what was wrong with a request that was refused; it has no text then.
    """

    endpoint: str
    text: str
    headers: Mapping[str, str]
    size: int
    status: int
    why: str = ""

    @property
    def data(self) -> Mapping[str, str]:
        """Empty for a text that is no JSON object."""
        try:
            found = json.loads(self.text)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def line(self) -> str:
        if self.why:
            return f"{self.status} refused: {self.why}"
        said = " ".join(f"{name.lower()}={value}" for name, value in self.headers.items())
        return f"{self.status or 'none'} {self.endpoint} {said} {self.text}"

    def row(self) -> Mapping[str, Any]:
        if self.why:
            return {"service": "webpush", "status": self.status, "endpoint": self.endpoint, "why": self.why}
        return {
            "service": "webpush",
            "status": self.status,
            "endpoint": self.endpoint,
            "headers": dict(self.headers),
            "text": self.text,
        }


class _RefusedError(Exception):
    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class FakeWebPush:
    """``script`` as ``Answers`` has it, a target being an endpoint. ``tls`` False: plain http.

    ``POST /subscribe`` makes a subscription for who cannot call ``subscribe``; its body may be
    ``{"applicationServerKey": "..."}``.
    """

    def __init__(
        self, host: str = "127.0.0.1", port: int = 0, *, script: Iterable[str] = (), tls: bool = True
    ) -> None:
        self.authority = Authority()
        self.answers = Answers(script)
        self.pushes: Pushes[WebPush] = Pushes()
        self._made: dict[str, FakeSubscription] = {}
        self._first: FakeSubscription | None = None
        self._server = WebServer(self._serve, host, port, self.authority.server_context() if tls else None)

    async def start(self) -> None:
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop()

    async def next_push(self) -> WebPush:
        return await self.pushes.next()

    @property
    def url(self) -> str:
        return self._server.url

    def about(self) -> Mapping[str, str]:
        self._first = self._first or self.subscribe()
        one = self._first
        return {
            "listens": self.url,
            "endpoint": one.endpoint,
            "p256dh": one.p256dh,
            "auth": one.auth,
            "more": f"POST {self.url}/subscribe",
        }

    def subscribe(self, server_key: str = "") -> FakeSubscription:
        """A new one, for messages of the holder of ``server_key`` alone when it is given."""
        key = ec.generate_private_key(ec.SECP256R1())
        public = encoded(key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
        path = f"/push/{secrets.token_urlsafe(18)}"
        made = FakeSubscription(f"{self.url}{path}", public, encoded(os.urandom(16)), key, server_key)
        if len(self._made) >= _MOST_SUBSCRIPTIONS:
            del self._made[next(iter(self._made))]
        self._made[path] = made
        return made

    def unsubscribe(self, subscription: FakeSubscription) -> None:
        """From now on its endpoint answers 410."""
        self._made.pop(subscription.endpoint.removeprefix(self.url), None)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await read_body(request, 2 * RECORD)
        if request.method != "POST":
            return web.Response(status=405)
        if request.path == "/subscribe":
            return self._give(body or b"")
        subscription = self._made.get(request.path)
        if subscription is None:
            return web.Response(status=410, text="the subscription has ended")
        try:
            text = self._judge(request, body, subscription)
        except _RefusedError as error:
            refused = WebPush(subscription.endpoint, "", {}, len(body or b""), error.status, str(error))
            self.pushes.add(refused)
            return web.Response(status=error.status, text=str(error))
        answer = self.answers.next(subscription.endpoint) or Scripted(201)
        shown = {
            name: request.headers[name] for name in ("TTL", "Urgency", "Topic") if name in request.headers
        }
        self.pushes.add(WebPush(subscription.endpoint, text, shown, len(body or b""), answer.status))
        response = await self._server.play(request, answer)
        if answer.status == 201:  # RFC 8030 §5
            response.headers["Location"] = f"{self.url}/message/{secrets.token_urlsafe(9)}"
            response.headers["TTL"] = request.headers["TTL"]
        return response

    def _give(self, body: bytes) -> web.StreamResponse:
        try:
            asked = json.loads(body or b"{}")
        except ValueError:
            return web.Response(status=400, text="no JSON")
        key = asked.get("applicationServerKey", "") if isinstance(asked, dict) else ""
        return web.json_response(self.subscribe(str(key)).row(), status=201)

    def _judge(self, request: web.BaseRequest, body: bytes | None, subscription: FakeSubscription) -> str:
        if body is None or len(body) > RECORD:
            raise _RefusedError(413, f"more than {RECORD} bytes")
        _check_headers(request.headers, encrypted=bool(body))
        self._check_sender(request.headers.get("Authorization", ""), subscription)
        if not body:
            return ""
        try:
            text = decrypt(body, subscription.key, decoded(subscription.auth))
            return text.decode()
        except (RemoteProtocolError, UnicodeDecodeError) as error:
            raise _RefusedError(400, str(error)) from None

    def _check_sender(self, authorization: str, subscription: FakeSubscription) -> None:
        """RFC 8292 §2 and §4."""
        match = _vapid(authorization)
        if match is None:
            raise _RefusedError(401, "no vapid credentials")
        token, key = match[1], match[2]
        if subscription.server_key and key != subscription.server_key.rstrip("="):
            raise _RefusedError(403, "the subscription is for another key")
        claims = _verified(token, key)
        if claims.get("aud") != self.url:
            raise _RefusedError(403, f"aud is not {self.url}")
        until = claims.get("exp")
        if not isinstance(until, int) or not time.time() < until <= time.time() + _DAY_S:
            raise _RefusedError(403, "exp is not within 24 hours")
        if not str(claims.get("sub", "https://")).startswith(("mailto:", "https://")):
            raise _RefusedError(403, "sub is neither mailto nor https")


def _check_headers(headers: Mapping[str, str], *, encrypted: bool) -> None:
    """RFC 8030 §5.2 to §5.4, RFC 8291 §4."""
    ttl = headers.get("TTL", "")
    if not (ttl.isascii() and ttl.isdecimal()):
        raise _RefusedError(400, "TTL is missing or no number")
    if headers.get("Urgency", "normal") not in _URGENCIES:
        raise _RefusedError(400, "Urgency is none")
    if "Topic" in headers and not _is_topic(headers["Topic"]):
        raise _RefusedError(400, "Topic is no base64url of at most 32 characters")
    if encrypted and headers.get("Content-Encoding") != "aes128gcm":
        raise _RefusedError(415, "Content-Encoding is not aes128gcm")


def _verified(token: str, key: str) -> Mapping[str, Any]:
    try:
        signed, _, signature = token.rpartition(".")
        header, claims = (json.loads(decoded(part)) for part in signed.split("."))
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decoded(key))
        raw = decoded(signature)
        if header.get("alg") != "ES256" or len(raw) != 64:
            raise _RefusedError(403, "the token is not signed with ES256")
        numbers = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        public.verify(numbers, signed.encode("ascii"), ec.ECDSA(hashes.SHA256()))
    except (ValueError, AttributeError, InvalidSignature):
        raise _RefusedError(403, "the token's signature is wrong") from None
    return claims if isinstance(claims, dict) else {}
