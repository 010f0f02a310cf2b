"""A tiny HTTP server for ``/metrics``, ``/health`` and ``/ready``, on the event loop.

``/health``: the loop turns, because it answers. ``/ready``: new calls are welcome; 503 with the reasons else.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from http import HTTPStatus

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from trunkline.app.addresses import HostPort
from trunkline.app.stream_clients import StreamClients
from trunkline.base.errors import TransportError

MAX_HEAD = 8192
DEADLINE_S = 5.0
MAX_CLIENTS = 16
_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Readiness:
    """``state`` of the exchange, the ``calls`` that are up, and the ``reasons`` why new ones should go elsewhere."""

    state: str = "running"
    reasons: tuple[str, ...] = ()
    calls: int = 0


class MetricsServer:
    """Serves ``registry`` on ``address``; port 0 is any, and ``port`` tells which. ``readiness`` is asked anew
    for each ``/ready``.

    ``start`` raises TransportError when the address cannot be bound.
    """

    def __init__(
        self,
        address: HostPort,
        registry: CollectorRegistry,
        readiness: Callable[[], Readiness] = Readiness,
    ) -> None:
        self._address = address
        self._readiness = readiness
        self._registry = registry
        self._clients = StreamClients(self._client, "metrics client")
        self.port = address.port or 0

    async def start(self) -> None:
        """Bind and serve."""
        host, port = self._address.host, self._address.port or 0
        try:
            server = await asyncio.start_server(self._clients.accept, host, port, limit=MAX_HEAD)
        except OSError as error:
            why = os.strerror(error.errno).lower() if error.errno else str(error)
            raise TransportError(
                f"cannot serve metrics on {self._address}: {why} "
                '(free that port, or name another in [metrics] listen or --metrics, or "off")'
            ) from None
        self._clients.of(server)
        self.port = server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close and end every client. Harmless when not started."""
        await self._clients.stop()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                writer.write(await self._answer(reader))
                await writer.drain()
        except (ConnectionError, TimeoutError):
            # A client that went away or dawdles: there is nobody to tell.
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        if len(self._clients) > MAX_CLIENTS:
            return _response(HTTPStatus.SERVICE_UNAVAILABLE, b"too many clients\n")
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return _response(HTTPStatus.BAD_REQUEST, b"expected an HTTP request\n")
        words = head[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _response(HTTPStatus.BAD_REQUEST, b"expected an HTTP request\n")
        if words[0] not in {"GET", "HEAD"}:
            return _response(HTTPStatus.METHOD_NOT_ALLOWED, b"only GET and HEAD\n")
        return self._page(words[1].partition("?")[0], _header(head, "accept"), with_body=words[0] == "GET")

    def _page(self, path: str, accept: str, *, with_body: bool) -> bytes:
        if path == "/health":
            return _response(HTTPStatus.OK, b"ok\n", with_body=with_body)
        if path == "/ready":
            return self._ready(with_body=with_body)
        if path != "/metrics":
            there = b"here are /metrics, /health and /ready\n"
            return _response(HTTPStatus.NOT_FOUND, there, with_body=with_body)
        encode, content_type = choose_encoder(accept)
        return _response(HTTPStatus.OK, encode(self._registry), content_type, with_body=with_body)

    def _ready(self, *, with_body: bool) -> bytes:
        now = self._readiness()
        status = HTTPStatus.SERVICE_UNAVAILABLE if now.reasons else HTTPStatus.OK
        body = json.dumps({"ready": not now.reasons, **asdict(now)}, ensure_ascii=False).encode() + b"\n"
        return _response(status, body, _JSON, with_body=with_body)


def _header(head: list[str], name: str) -> str:
    for line in head[1:]:
        key, _colon, value = line.partition(":")
        if key.lower() == name:
            return value.strip()
    return ""


def _response(status: HTTPStatus, body: bytes, content_type: str = _TEXT, *, with_body: bool = True) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"Content-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode("latin-1") + (body if with_body else b"")
