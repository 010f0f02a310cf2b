"""A stand-in for Firebase Cloud Messaging: the OAuth endpoint and ``messages:send``, judged as Google documents it."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from trunkline.push.doubles.answers import Answers, Scripted
from trunkline.push.doubles.authority import Authority
from trunkline.push.doubles.fcm_shape import WrongShapeError, check_grant, check_send
from trunkline.push.doubles.stand_in import Pushes
from trunkline.push.doubles.web_server import WebServer, read_body

TOKEN_PATH: Final = "/token"  # noqa: S105  (a path)
_MOST_BODY: Final = 65536
_JSON: Final = "application/json"
_TYPES: Final = "type.googleapis.com/"
# What Google says for a status: the code of the error, and that of FCM's own detail.
_ERRORS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("INVALID_ARGUMENT", "INVALID_ARGUMENT"),
    401: ("UNAUTHENTICATED", ""),
    403: ("PERMISSION_DENIED", "SENDER_ID_MISMATCH"),
    404: ("NOT_FOUND", "UNREGISTERED"),
    429: ("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"),
    500: ("INTERNAL", "INTERNAL"),
    503: ("UNAVAILABLE", "UNAVAILABLE"),
}


@dataclass(frozen=True, slots=True)
class FcmPush:
    """One message. ``status`` is what was answered, 0 for nothing; ``kind`` is ``token``, ``fid``, ``topic`` or so.

    ``why`` says what was wrong with a request that was refused; it has no message then.
    """

    kind: str
    target: str
    message: Mapping[str, Any]
    status: int
    why: str = ""

    @property
    def data(self) -> Mapping[str, str]:
        return dict(self.message.get("data", {}))

    @property
    def android(self) -> Mapping[str, Any]:
        return dict(self.message.get("android", {}))

    def line(self) -> str:
        if self.why:
            return f"{self.status} refused: {self.why}"
        android = self.android
        words = " ".join(f"{key}={value}" for key, value in self.data.items())
        how = f"{android.get('priority', 'NORMAL')} ttl={android.get('ttl', 'none')}"
        return f"{self.status or 'none'} {self.kind}={self.target} {how} {words}"

    def row(self) -> Mapping[str, Any]:
        if self.why:
            return {"service": "fcm", "status": self.status, "why": self.why}
        about = {"service": "fcm", "status": self.status, "kind": self.kind, "target": self.target}
        return {**about, **self.message}


class FakeFcm:
    """``script`` as ``Answers`` has it. ``tls`` False: plain http, which clients take on loopback alone.

    ``token_lasts_s`` is how long access tokens are good. ``account_out`` is a file that the service account is written
    into by ``start``. ``grants`` counts requests for access tokens; ``oauth`` is a script for these.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        script: Iterable[str] = (),
        tls: bool = True,
        project: str = "stand-in",
        token_lasts_s: int = 3599,
        account_out: Path | None = None,
    ) -> None:
        self.authority = Authority()
        self.answers = Answers(script)
        self.oauth = Answers()
        self.pushes: Pushes[FcmPush] = Pushes()
        self.project = project
        self.token_lasts_s = token_lasts_s
        self.grants = 0
        self._account_out = account_out
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._access: dict[str, float] = {}
        self._server = WebServer(self._serve, host, port, self.authority.server_context() if tls else None)

    async def start(self) -> None:
        await self._server.start()
        if self._account_out is not None:
            await asyncio.to_thread(_write_secret, self._account_out, self.service_account)

    async def stop(self) -> None:
        await self._server.stop()

    async def next_push(self) -> FcmPush:
        return await self.pushes.next()

    def about(self) -> Mapping[str, str]:
        return {"push.fcm.base_url": self.base_url, "project": self.project}

    @property
    def base_url(self) -> str:
        """For push.fcm.base_url."""
        return self._server.url

    @property
    def service_account(self) -> str:
        """The JSON of a key that is good here and nowhere else, for push.fcm.service_account_path."""
        return json.dumps(self._account())

    def expire_access(self) -> None:
        """No access token that was given so far is good any more."""
        self._access.clear()

    def _account(self) -> dict[str, str]:
        pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "type": "service_account",
            "project_id": self.project,
            "private_key_id": "stand-in-key",
            "private_key": pem.decode("ascii"),
            "client_email": f"stand-in@{self.project}.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": f"{self.base_url}{TOKEN_PATH}",
        }

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await read_body(request, _MOST_BODY)
        if body is None:
            return web.Response(status=413)
        if request.method == "POST" and request.path == TOKEN_PATH:
            return await self._give_access(request, body)
        if request.method == "POST" and request.path == f"/v1/projects/{self.project}/messages:send":
            return await self._take(request, body)
        return _error(404, "Requested entity was not found.", detail=False)

    async def _give_access(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        self.grants += 1
        if (scripted := self.oauth.next("")) is not None and scripted.status != 200:
            text = b'{"error": "invalid_grant"}' if 400 <= scripted.status < 500 else b""
            return await self._server.play(request, scripted, text, _JSON)
        try:
            form = dict(parse_qsl(body.decode("ascii")))
            check_grant(form, self._key.public_key(), self._account(), time.time())
        except WrongShapeError as error:
            said = {"error": error.path, "error_description": str(error)}
            return web.json_response(said, status=400)
        except UnicodeDecodeError:
            return web.json_response({"error": "invalid_request"}, status=400)
        token = f"ya29.{secrets.token_urlsafe(24)}"
        self._access[token] = time.time() + self.token_lasts_s
        said_now = {"access_token": token, "expires_in": self.token_lasts_s, "token_type": "Bearer"}
        return web.json_response(said_now)

    async def _take(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or self._access.get(token, 0.0) <= time.time():
            return self._refuse(401, "Request had invalid authentication credentials.")
        try:
            kind, target, message = check_send(body)
        except WrongShapeError as error:
            return self._refuse(400, str(error), error.path)
        scripted = self.answers.next(target)
        answer = scripted or Scripted(200)
        self.pushes.add(FcmPush(kind, target, message, answer.status))
        if answer.status == 200 or not answer.status:
            name = f"projects/{self.project}/messages/0:{time.time_ns()}"
            return await self._server.play(request, answer, json.dumps({"name": name}).encode(), _JSON)
        response = _error(answer.status, "scripted")
        if answer.retry_after_s:
            response.headers["Retry-After"] = str(answer.retry_after_s)
        return response

    def _refuse(self, status: int, why: str, violation: str | None = None) -> web.Response:
        self.pushes.add(FcmPush("", "", {}, status, f"{violation}: {why}" if violation else why))
        return _error(status, why, violation=violation)


def _error(status: int, message: str, *, violation: str | None = None, detail: bool = True) -> web.Response:
    word, code = _ERRORS.get(status, ("UNKNOWN", ""))
    details: list[dict[str, Any]] = []
    if code and detail:
        details.append({"@type": f"{_TYPES}google.firebase.fcm.v1.FcmError", "errorCode": code})
    if violation is not None:
        violations = [{"field": violation, "description": message}]
        details.append({"@type": f"{_TYPES}google.rpc.BadRequest", "fieldViolations": violations})
    error = {"code": status, "message": message, "status": word, "details": details}
    return web.json_response({"error": error}, status=status)


def _write_secret(path: Path, text: str) -> None:
    """Its private key is one for trials, and still: whoever reads the file could push in its name."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
