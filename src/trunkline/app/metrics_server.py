"""A tiny HTTP server for ``/metrics`` and ``/health``, on the event loop: an answer proves the loop turns."""

from __future__ import annotations

import asyncio
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


class MetricsServer:
    """Serves ``registry`` on ``address``; port 0 is any, and ``port`` tells which.

    ``start`` raises TransportError when the address cannot be bound.
    """

    def __init__(self, address: HostPort, registry: CollectorRegistry) -> None:
        self._address = address
        self._registry = registry
        self._clients = StreamClients(self._client, "metrics client")
        self.port = address.port or 0

    async def start(self) -> None:
        """Bind and serve."""
        host, port = self._address.host, self._address.port or 0
        try:
            server = await asyncio.start_server(self._clients.accept, host, port, limit=MAX_HEAD)
        except OSError as error:
            raise TransportError(
                f"cannot serve metrics on {self._address}: {error.strerror or error}"
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
        if path != "/metrics":
            return _response(HTTPStatus.NOT_FOUND, b"here are /metrics and /health\n", with_body=with_body)
        encode, content_type = choose_encoder(accept)
        return _response(HTTPStatus.OK, encode(self._registry), content_type, with_body=with_body)


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
