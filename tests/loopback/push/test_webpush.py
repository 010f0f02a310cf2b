"""Web Push against its stand-in, which decrypts what it gets."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.peers.connect_proxy import ConnectProxy
from trunkline.net.http_proxy import parse_proxy
from trunkline.push.doubles.webpush import FakeSubscription, FakeWebPush
from trunkline.push.notification import Notification, Outcome, Purpose, PushAddress, Service
from trunkline.push.webpush.pusher import WebPushPlan, WebPushPusher
from trunkline.push.webpush.vapid import VapidKey

HOME = (ipaddress.ip_network("127.0.0.0/8"),)
DATA = {"type": "incoming_call", "callToken": "c", "callerUri": "1001@a.test"}


@asynccontextmanager
async def fake(**settings: Any) -> AsyncIterator[FakeWebPush]:
    one = FakeWebPush(**settings)
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


@asynccontextmanager
async def pusher(stand_in: FakeWebPush, folder: Path, **settings: Any) -> AsyncIterator[WebPushPusher]:
    ca = folder / "ca.pem"
    ca.write_bytes(stand_in.authority.ca_pem)
    # Patient: both sides share one loop, which may be busy, and nothing hangs unless a test says so.
    plan = WebPushPlan(**{"inside": HOME, "ca": ca, "timeout_s": 30.0, **settings})
    one = WebPushPusher(plan, VapidKey(ec.generate_private_key(ec.SECP256R1()), "mailto:a@b.test"))
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


def call(to: FakeSubscription, **changes: Any) -> Notification:
    keys: Mapping[str, str] = {"p256dh": to.p256dh, "auth": to.auth, **changes}
    return Notification(PushAddress(Service.WEBPUSH, to.endpoint, **keys), Purpose.CALL, "id", DATA)


@pytest.mark.rfc("8030", "5")
@pytest.mark.rfc("8291", "4")
async def test_a_call_arrives_and_only_its_reader_reads_it(tmp_path: Path) -> None:
    async with fake() as service, pusher(service, tmp_path) as web:
        fate = await web.send(call(service.subscribe(web.public_key)))
        assert (fate.outcome, fate.status) == (Outcome.SENT, 201)
        push = await service.next_push()
        assert push.data == DATA
        assert push.headers == {"TTL": "0", "Urgency": "high"}
        assert push.size == 103 + 512
        assert web.health().word == "ready"


@pytest.mark.rfc("8030", "5")
async def test_who_gave_no_keys_is_woken_without_a_text(tmp_path: Path) -> None:
    async with fake() as service, pusher(service, tmp_path) as web:
        assert (await web.send(call(service.subscribe(), p256dh="", auth=""))).sent
        push = await service.next_push()
        assert (push.text, push.size, push.headers["TTL"]) == ("", 0, "0")


async def test_who_cannot_call_it_asks_for_a_subscription(tmp_path: Path) -> None:
    async with fake() as service, pusher(service, tmp_path) as web:
        context = ssl.create_default_context(cadata=service.authority.ca_pem.decode())
        asked = {"applicationServerKey": web.public_key}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{service.url}/subscribe", json=asked, ssl=context) as response,
        ):
            made = await response.json()
        address = PushAddress(Service.WEBPUSH, made["endpoint"], **made["keys"])
        assert (await web.send(Notification(address, Purpose.CALL, "id", DATA))).sent


@pytest.mark.rfc("8292", "4.2")
async def test_a_subscription_of_another_key_is_not_ours(tmp_path: Path) -> None:
    async with fake() as service, pusher(service, tmp_path) as web, pusher(service, tmp_path) as other:
        fate = await web.send(call(service.subscribe(other.public_key)))
        assert (fate.outcome, fate.status) == (Outcome.MISMATCH, 403)


@pytest.mark.scenario(6)
async def test_a_subscription_that_has_ended_is_gone(tmp_path: Path) -> None:
    async with fake() as service, pusher(service, tmp_path) as web:
        one = service.subscribe()
        service.unsubscribe(one)
        assert (await web.send(call(one))).outcome is Outcome.GONE
        assert web.health().word == "idle"


@pytest.mark.scenario(8)
@pytest.mark.asyncio(loop_factories=["patient"])
@pytest.mark.parametrize("trouble", ["503", "drop", "hang", "429:1"])
async def test_a_call_is_tried_once_more(tmp_path: Path, trouble: str) -> None:
    async with fake(script=[trouble]) as service, pusher(service, tmp_path, timeout_s=1.0) as web:
        assert (await web.send(call(service.subscribe()))).sent
        assert [push.status for push in service.pushes.all][1:] == [201]


async def test_a_strangers_server_in_trouble_does_not_make_us_ill(tmp_path: Path) -> None:
    async with fake(script=["503,503:7,413"]) as service, pusher(service, tmp_path) as web:
        one = service.subscribe()
        fate = await web.send(call(one))
        assert (fate.outcome, fate.retry_after_s) == (Outcome.UNAVAILABLE, 7.0)
        assert (await web.send(call(one))).outcome is Outcome.REFUSED
        assert len(service.pushes.all) == 3
        assert web.health().word == "idle"


async def test_no_endpoint_leads_inside(tmp_path: Path) -> None:
    async with fake() as service, pusher(service, tmp_path, inside=()) as web:
        fate = await web.send(call(service.subscribe()))
        assert fate.outcome is Outcome.REFUSED
        assert fate.reason == "127.0.0.1 has an address that is not public"
        assert not service.pushes.all
    async with fake(tls=False) as service, pusher(service, tmp_path) as web:
        assert (await web.send(call(service.subscribe()))).outcome is Outcome.REFUSED


async def test_keys_that_are_none_are_told_and_not_sent(tmp_path: Path) -> None:
    async with fake() as service, pusher(service, tmp_path) as web:
        fate = await web.send(call(service.subscribe(), auth="short"))
        assert fate.outcome is Outcome.REFUSED
        assert fate.reason == "auth is no secret of 16 bytes in base64url"


@pytest.mark.rfc("9110", "9.3.6")
async def test_everything_goes_through_the_proxy(tmp_path: Path) -> None:
    async with fake() as service, ConnectProxy().running() as proxy:
        by = parse_proxy(f"http://127.0.0.1:{proxy.port}")
        async with pusher(service, tmp_path, proxy=by) as web:
            assert (await web.send(call(service.subscribe()))).sent
        assert proxy.asked == [service.url.removeprefix("https://")]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"TTL": "soon"}, 400),
        ({"TTL": "0", "Urgency": "now"}, 400),
        ({"TTL": "0", "Topic": "a b"}, 400),
        ({"TTL": "0"}, 415),
        ({"TTL": "0", "Content-Encoding": "aes128gcm"}, 401),
        ({"TTL": "0", "Content-Encoding": "aes128gcm", "Authorization": "vapid t=a.b.c, k=x"}, 403),
    ],
)
async def test_the_stand_in_is_as_strict_as_the_rfc(headers: dict[str, str], status: int) -> None:
    async with fake(tls=False) as service, aiohttp.ClientSession() as session:
        endpoint = service.subscribe().endpoint
        async with session.post(endpoint, data=b"x", headers=headers) as response:
            assert response.status == status
        async with session.post(endpoint, data=bytes(9000), headers=headers) as response:
            assert response.status == 413
        async with session.post(f"{service.url}/push/other", data=b"x", headers=headers) as response:
            assert response.status == 410
