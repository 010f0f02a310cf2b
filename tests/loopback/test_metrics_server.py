"""The metrics server with real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from trunkline.app.addresses import HostPort
from trunkline.app.metrics import make_registry
from trunkline.app.metrics_server import MetricsServer, Readiness
from trunkline.base.errors import TransportError

READY = Readiness(calls=2)


@asynccontextmanager
async def serving(host: str = "127.0.0.1", readiness: Readiness = READY) -> AsyncIterator[MetricsServer]:
    server = MetricsServer(HostPort(host, 0), make_registry({"dialogs": lambda: 4}, "1"), lambda: readiness)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def fetch(port: int, request: bytes, host: str = "127.0.0.1") -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(request)
    await writer.drain()
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_metrics_and_health_on_both_families(host: str) -> None:
    async with serving(host) as server:
        answer = await fetch(server.port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", host)
        health = await fetch(server.port, b"GET /health HTTP/1.0\r\n\r\n", host)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert b"trunkline_dialogs 4.0" in body
    assert f"Content-Length: {len(body)}".encode() in head
    assert health.startswith(b"HTTP/1.1 200 OK")


async def test_openmetrics_when_asked_for() -> None:
    accept = b"GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text; version=1.0.0\r\n\r\n"
    async with serving() as server:
        answer = await fetch(server.port, accept)
    assert b"application/openmetrics-text" in answer
    assert answer.endswith(b"# EOF\n")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", b"400"),
    ],
)
async def test_what_is_no_scrape_is_answered_so(request_bytes: bytes, status: bytes) -> None:
    async with serving() as server:
        assert (await fetch(server.port, request_bytes)).startswith(b"HTTP/1.1 " + status)
        assert b"trunkline_dialogs" in await fetch(server.port, b"GET /metrics HTTP/1.1\r\n\r\n")


async def test_head_has_no_body() -> None:
    async with serving() as server:
        assert (await fetch(server.port, b"HEAD /health HTTP/1.1\r\n\r\n")).endswith(b"\r\n\r\n")


async def test_stop_ends_a_client_that_says_nothing() -> None:
    async with serving() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        assert (await fetch(server.port, b"GET /health HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200")
    async with asyncio.timeout(20):
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_a_port_that_is_taken_is_named() -> None:
    async with serving() as server:
        second = MetricsServer(HostPort("127.0.0.1", server.port), make_registry({}, "1"))
        with pytest.raises(TransportError, match=f"cannot serve metrics on 127.0.0.1:{server.port}"):
            await second.start()
        await second.stop()


@pytest.mark.parametrize(
    ("readiness", "status"),
    [(READY, b"200 OK"), (Readiness("draining", ("no new calls",), 1), b"503 Service")],
)
async def test_readiness_is_a_status_and_its_reasons(readiness: Readiness, status: bytes) -> None:
    async with serving(readiness=readiness) as server:
        answer = await fetch(server.port, b"GET /ready HTTP/1.1\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status)
    assert b"Content-Type: application/json" in head
    assert json.loads(body) == {
        "ready": not readiness.reasons,
        "state": readiness.state,
        "reasons": list(readiness.reasons),
        "calls": readiness.calls,
    }
