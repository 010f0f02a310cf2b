"""The API behind nginx and Caddy, with the files that deploy/ holds for them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.loopback.api.serving import Served, serving
from tests.peers.reverse_proxies import CADDY, NGINX, Proxy
from tests.unit.api.backend import SDP
from tests.unit.api.door import DEFAULT
from trunkline.api.plan import ApiPlan, LimitPlan, Rate

BOTH = pytest.mark.parametrize("proxy", [NGINX, CADDY], ids=lambda proxy: proxy.name)
CALL = {
    "destination_uri": "bob",
    "sdp_offer": SDP,
    "sip_username": "a",
    "sip_password": "b",
    "sip_domain": "c",
}


@asynccontextmanager
async def behind(
    proxy: Proxy, folder: Path, plan: ApiPlan | None = None
) -> AsyncIterator[tuple[Served, aiohttp.ClientSession]]:
    """The API, and a client of the proxy in front of it, as alice."""
    async with serving(plan) as served, proxy.running(folder, served.server.port) as (port, authority):
        connector = aiohttp.TCPConnector(ssl=authority.client())
        async with aiohttp.ClientSession(
            f"https://localhost:{port}",
            headers={"Authorization": f"Bearer {served.token()}"},
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=60),
        ) as client:
            yield served, client


@BOTH
async def test_it_finds_nothing_wrong_with_its_file(proxy: Proxy, tmp_path: Path) -> None:
    proxy.prepare(tmp_path, 8443, 8080)
    code, said = await proxy.checked(tmp_path)
    assert code == 0, said
    assert proxy is CADDY or "[warn]" not in said, said


@BOTH
async def test_requests_and_events_pass(proxy: Proxy, tmp_path: Path) -> None:
    async with behind(proxy, tmp_path) as (served, client), asyncio.timeout(60):
        async with client.get("/v1/devices") as reply:
            assert await reply.json() == {"devices": [], "next": None}
        async with client.ws_connect("/v1/events") as ws:
            assert (await ws.receive_json(timeout=60))["event"] == "hello"
            served.events.tell(DEFAULT, "alice", "call.incoming")
            assert (await ws.receive_json(timeout=60))["event"] == "call.incoming"


@BOTH
async def test_an_app_that_leaves_gives_its_call_up(proxy: Proxy, tmp_path: Path) -> None:
    async with (
        asyncio.timeout(60),
        serving() as served,
        proxy.running(tmp_path, served.server.port) as (port, authority),
    ):
        served.backend.held.add("app-call.place")
        _, writer = await asyncio.open_connection("localhost", port, ssl=authority.client())
        body = json.dumps(CALL)
        head = f"POST /v1/calls HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {served.token()}\r\n"
        kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(f"{head}{kind}{body}".encode())
        await served.backend.asking.wait()
        writer.transport.abort()
        await served.backend.cancelled.wait()


@BOTH
async def test_nobody_hides_behind_an_address_that_he_made_up(proxy: Proxy, tmp_path: Path) -> None:
    plan = ApiPlan(port=0, limits=LimitPlan(failures=Rate(1, 3)))
    async with behind(proxy, tmp_path, plan) as (_, client), asyncio.timeout(60):
        told = []
        for last in range(6):
            headers = {"Authorization": "Bearer wrong", "X-Forwarded-For": f"192.0.2.{last}"}
            async with client.get("/v1/devices", headers=headers) as reply:
                told.append(reply.status)
        assert told[0] == 401
        assert told[-1] == 429
