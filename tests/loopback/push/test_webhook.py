"""The webhook against a web server of ours, which checks the signature as the documentation says."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from trunkline.push.notification import Notification, Outcome, Purpose, PushAddress, Service
from trunkline.push.webhook import WebhookPlan, WebhookPusher

SECRET = "a secret of theirs"
CALL = Notification(
    PushAddress(Service.WEBHOOK, "tok"), Purpose.CALL, "0001", {"type": "incoming_call", "callerName": "Änne"}
)


class Backend:
    """Answers with ``statuses`` in order, then 204."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.seen: list[tuple[str, bool]] = []

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        headers = request.headers
        self.seen.append((headers["Idempotency-Key"], signed(headers, body)))
        return web.Response(status=self.statuses.pop(0) if self.statuses else 204)


def signed(headers: Mapping[str, str], body: bytes) -> bool:
    """As docs/reference/push-webhook.md shows it."""
    timestamp = headers["Trunkline-Timestamp"]
    expected = hmac.new(SECRET.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    fits = hmac.compare_digest(headers["Trunkline-Signature"], f"v1={expected}")
    return fits and abs(time.time() - int(timestamp)) < 300


@asynccontextmanager
async def running(backend: Backend, secret: str = SECRET) -> AsyncIterator[WebhookPusher]:
    runner = web.ServerRunner(web.Server(backend.answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook = WebhookPusher(WebhookPlan(f"http://127.0.0.1:{runner.addresses[0][1]}/wake", secret))
    await hook.start()
    try:
        yield hook
    finally:
        await hook.stop()
        await runner.cleanup()


async def test_a_signed_request_arrives() -> None:
    backend = Backend()
    async with running(backend) as hook:
        assert (await hook.send(CALL)).sent
        assert hook.health().word == "ready"
    assert backend.seen == [("0001", True)]
    async with running(backend, "another secret") as hook:
        await hook.send(CALL)
    assert backend.seen[1] == ("0001", False)


@pytest.mark.scenario(8)
async def test_trouble_is_tried_once_more_by_the_same_name() -> None:
    backend = Backend(503)
    async with running(backend) as hook:
        assert (await hook.send(CALL)).sent
    assert backend.seen == [("0001", True)] * 2


async def test_what_lasts_is_told() -> None:
    backend = Backend(503, 502, 401, 410)
    async with running(backend) as hook:
        assert (await hook.send(CALL)).outcome is Outcome.UNAVAILABLE
        assert hook.health().why == "502 the backend is in trouble"
        assert (await hook.send(CALL)).outcome is Outcome.REFUSED
        assert hook.health().word == "failing"
        assert (await hook.send(CALL)).outcome is Outcome.GONE
        assert hook.health().word == "ready"
    assert len(backend.seen) == 4


async def test_a_backend_that_is_not_there_is_told() -> None:
    hook = WebhookPusher(WebhookPlan("http://127.0.0.1:1/", SECRET))
    try:
        fate = await hook.send(CALL)
        assert fate.outcome is Outcome.UNAVAILABLE
        assert hook.health().word == "failing"
        large = Notification(CALL.address, Purpose.ALERT, "1", {"a": "x" * 70_000})
        assert (await hook.send(large)).outcome is Outcome.REFUSED
    finally:
        await hook.stop()
