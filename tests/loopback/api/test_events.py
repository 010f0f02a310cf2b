"""The live event channel with real sockets."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from starlette.websockets import WebSocket
from structlog.testing import capture_logs

from tests.loopback.api.serving import Served, serving
from tests.unit.api.door import DEFAULT, KEY
from trunkline.api.event_stream import PROTOCOL, UNAUTHORIZED
from trunkline.api.plan import ApiPlan, AuthPlan, LimitPlan
from trunkline.api.tokens import LEEWAY_S


async def next_event(ws: aiohttp.ClientWebSocketResponse) -> Any:
    return await ws.receive_json(timeout=10)


async def refused(served: Served, path: str = "/v1/events", **given: Any) -> int:
    """The status with which a WebSocket is refused."""
    async with aiohttp.ClientSession(served.url) as client:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await client.ws_connect(path, **given)
    return caught.value.status


async def test_events_come_and_come_again_after_a_reconnect() -> None:
    async with serving() as served, served.client() as client, asyncio.timeout(20):
        async with client.ws_connect("/v1/events") as ws:
            assert await next_event(ws) == {"event": "hello", "missed": False, "heartbeat_s": 20.0}
            served.events.tell(DEFAULT, "bob", "call.incoming")
            served.events.tell(DEFAULT, "alice", "call.incoming", caller="bob")
            assert await next_event(ws) == {
                "id": 1,
                "event": "call.incoming",
                "at": "2026-01-31T08:00:00.250000+00:00",
                "call_token": "",
                "device_id": "",
                "data": {"caller": "bob"},
            }
        await served.events.idle.wait()
        served.events.tell(DEFAULT, "alice", "call.cancelled")
        served.events.tell(DEFAULT, "alice", "call.ended")
        async with client.ws_connect("/v1/events?after=1") as ws:
            await next_event(ws)
            assert [(await next_event(ws))["event"] for _ in range(2)] == ["call.cancelled", "call.ended"]


async def test_a_device_that_listens_is_live_and_anothers_cannot_be_made_so() -> None:
    async with serving() as served, served.client() as client, asyncio.timeout(20):
        mine = served.backend.add_device(DEFAULT, "alice")
        theirs = served.backend.add_device(DEFAULT, "bob")
        async with client.ws_connect(f"/v1/events?device_id={mine}") as ws:
            await next_event(ws)
            assert [listener.device_id for listener in served.events.listeners] == [mine]
        headers = {"Authorization": f"Bearer {served.token()}"}
        assert await refused(served, f"/v1/events?device_id={theirs}", headers=headers) == 404
        async with client.get(
            f"/v1/events?device_id={theirs}", headers={"Accept": "text/event-stream"}
        ) as reply:
            assert reply.status == 404


@pytest.mark.scenario(15)
async def test_nobody_listens_without_a_token() -> None:
    async with serving() as served:
        assert await refused(served) == 401
        assert await refused(served, headers={"Authorization": "Bearer x.y.z"}) == 401
        assert await refused(served, "/v1/events?ticket=made-up") == 401
        assert await refused(served, protocols=[PROTOCOL, "trunkline.bearer.x.y.z"]) == 401


async def test_browsers_bring_a_ticket_or_a_token_as_a_subprotocol() -> None:
    async with serving() as served, served.client() as client, asyncio.timeout(20):
        async with client.post("/v1/events/ticket") as reply:
            ticket = (await reply.json())["ticket"]
        async with aiohttp.ClientSession(served.url) as browser:
            async with browser.ws_connect(f"/v1/events?ticket={ticket}") as ws:
                await next_event(ws)
            assert await refused(served, f"/v1/events?ticket={ticket}") == 401
            named = [PROTOCOL, f"trunkline.bearer.{served.token()}"]
            async with browser.ws_connect("/v1/events", protocols=named) as ws:
                assert ws.protocol == PROTOCOL


@pytest.mark.parametrize(
    ("origin", "status"),
    [("https://evil.example", 403), ("http://[", 403), ("null", 403), ("https://app.example", 101)],
)
async def test_pages_of_other_origins_may_not_listen(origin: str, status: int) -> None:
    async with (
        serving(ApiPlan(port=0, origins=("https://app.example",))) as served,
        served.client() as client,
    ):
        headers = {"Origin": origin, "Authorization": f"Bearer {served.token()}"}
        if status == 403:
            assert await refused(served, headers=headers) == 403
        else:
            async with client.ws_connect("/v1/events", headers=headers) as ws:
                await next_event(ws)
        async with client.ws_connect("/v1/events", headers={"Origin": served.url}) as ws:
            await next_event(ws)


async def test_strangers_who_are_refused_write_no_logs(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as served:
        for headers in ({}, {"Origin": "http://["}, {"Authorization": "Bearer a.b.c"}):
            assert await refused(served, headers=headers) in {401, 403}
    assert caplog.records == []


@pytest.mark.parametrize(
    "frames",
    [b"\x80\x80\0\0\0\0", b"\x82\xfe\x20\0\0\0\0\0" + bytes(8192), b"\xff\xff" * 50],
    ids=["a continuation of nothing", "too long", "no frame"],
)
async def test_frames_that_are_none_are_no_fault_of_ours(frames: bytes) -> None:
    with capture_logs() as logs:
        async with serving(ApiPlan(port=0, heartbeat_s=0.2)) as served, asyncio.timeout(20):
            head = (
                "GET /v1/events HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                f"Authorization: Bearer {served.token()}\r\n\r\n"
            )
            reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
            writer.write(head.encode() + frames)
            with suppress(ConnectionError):
                await reader.read()
            writer.transport.abort()
            with suppress(ConnectionError):
                await writer.wait_closed()
    assert logs == []


async def test_a_channel_that_the_server_has_closed_is_no_fault_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def closed(*_args: Any) -> None:
        raise RuntimeError("Unexpected ASGI message 'websocket.send', after sending 'websocket.close'.")

    monkeypatch.setattr(WebSocket, "send_text", closed)
    with capture_logs() as logs:
        async with serving() as served, served.client() as client, client.ws_connect("/v1/events") as ws:
            await ws.receive(timeout=10)
            assert len(served.server.doorway.streams) == 0
    assert logs == []


async def test_a_fault_of_ours_ends_the_channel_and_is_told() -> None:
    def broken(*_args: Any) -> Any:
        raise RuntimeError("a fault")

    with capture_logs() as logs:
        async with serving() as served:
            served.events.subscribe = broken  # type: ignore[method-assign, assignment]
            assert await refused(served, headers={"Authorization": f"Bearer {served.token()}"}) == 403
    assert [(one["event"], one["route"]) for one in logs] == [("an event channel failed", "/v1/events")]


async def test_server_sent_events_with_replay() -> None:
    async with serving() as served, served.client() as client, asyncio.timeout(20):
        for name in ("call.incoming", "call.ended"):
            served.events.tell(DEFAULT, "alice", name)
        headers = {"Accept": "text/event-stream", "Last-Event-ID": "1"}
        async with client.get("/v1/events", headers=headers) as reply:
            assert reply.headers["content-type"].startswith("text/event-stream")
            assert await reply.content.readuntil(b"\n\n") == (
                b'event: hello\ndata: {"event":"hello","missed":false,"heartbeat_s":20.0}\n\n'
            )
            got = await reply.content.readuntil(b"\n\n")
            assert got.startswith(b"id: 2\nevent: call.ended\ndata: ")
            assert json.loads(got.partition(b"data: ")[2])["id"] == 2
        await served.events.idle.wait()
        assert len(served.server.doorway.streams) == 0


async def test_a_quiet_stream_shows_that_it_lives() -> None:
    async with serving(ApiPlan(port=0, heartbeat_s=0.05)) as served, served.client() as client:
        headers = {"Accept": "text/event-stream"}
        async with asyncio.timeout(20), client.get("/v1/events", headers=headers) as reply:
            await reply.content.readuntil(b"\n\n")
            assert await reply.content.readuntil(b"\n\n") == b": alive\n\n"


@pytest.mark.parametrize("default", [DEFAULT, None])
async def test_a_token_without_a_tenant_is_of_the_default_one(default: str | None) -> None:
    async with (
        serving(default_tenant=default) as served,
        served.client(tenant=None) as client,
        client.ws_connect("/v1/events") as ws,
    ):
        await next_event(ws)
        assert list(served.events.listeners.values()) == [(default, "alice")]


async def test_neither_socket_nor_stream() -> None:
    async with serving() as served, served.client() as client, client.get("/v1/events") as reply:
        assert reply.status == 406


async def test_who_listens_too_often_is_refused() -> None:
    async with (
        serving(ApiPlan(port=0, limits=LimitPlan(streams_each=1))) as served,
        served.client() as client,
    ):
        async with client.ws_connect("/v1/events") as ws:
            await next_event(ws)
            headers = {"Authorization": f"Bearer {served.token()}"}
            assert await refused(served, headers=headers) == 429
        async with asyncio.timeout(10):
            await served.events.idle.wait()


async def test_when_we_stop_listeners_are_told() -> None:
    async with (
        serving() as served,
        served.client() as client,
        asyncio.timeout(20),
        client.ws_connect("/v1/events") as ws,
    ):
        await next_event(ws)
        stopping = asyncio.create_task(served.server.stop())
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
        assert ws.close_code in {1001, 1012}
        await stopping


async def test_a_listener_that_is_cut_off_is_told_why() -> None:
    async with (
        serving() as served,
        served.client() as client,
        asyncio.timeout(20),
        client.ws_connect("/v1/events") as ws,
    ):
        await next_event(ws)
        for listener in served.events.listeners:
            listener.why = "too slow"
            listener.take(None)
        closed = await ws.receive()
        assert (closed.data, closed.extra) == (1013, "too slow")


async def test_who_talks_all_the_time_is_cut() -> None:
    async with (
        serving() as served,
        served.client() as client,
        asyncio.timeout(20),
        client.ws_connect("/v1/events") as ws,
    ):
        await next_event(ws)
        for _ in range(200):
            await ws.send_str("blah")
        await served.events.idle.wait()
        assert (await ws.receive()).data == 1008


async def test_a_client_that_answers_no_ping_is_cut() -> None:
    async with (
        serving(ApiPlan(port=0, heartbeat_s=0.1)) as served,
        served.client() as client,
        asyncio.timeout(20),
        client.ws_connect("/v1/events", autoping=False) as ws,
    ):
        await next_event(ws)
        assert (await ws.receive()).type is aiohttp.WSMsgType.PING
        await served.events.idle.wait()


def expiring(served: Served, after_s: float) -> None:
    """Tokens of now are good until so much later: our clock is ahead."""
    auth = served.server.doorway.auth
    at = time.time() + 3600 + LEEWAY_S - after_s
    clock = asyncio.get_running_loop().time  # a patient one: what is sent at once comes before the end
    began = clock()
    auth._clock = lambda: at + clock() - began


async def test_a_stream_ends_with_its_token_and_says_so() -> None:
    async with serving() as served, served.client() as client, asyncio.timeout(20):
        async with (
            client.ws_connect("/v1/events") as ws,
            client.get("/v1/events", headers={"Accept": "text/event-stream"}) as stream,
        ):
            await next_event(ws)
            await stream.content.readuntil(b"\n\n")
            expiring(served, 0.2)
            served.events.tell(DEFAULT, "alice", "call.incoming")  # whoever waits looks at the clock again
            assert (await next_event(ws))["event"] == "call.incoming"
            goodbye = await next_event(ws)
            assert (goodbye["event"], goodbye["status"]) == ("goodbye", 401)
            assert goodbye["code"] == "auth.token_expired"
            await ws.receive(timeout=10)
            assert ws.close_code == UNAUTHORIZED
            assert b"event: goodbye" in await stream.content.read()
        await served.events.idle.wait()


async def test_streams_end_with_the_secret_of_their_tokens_and_say_so() -> None:
    async with serving() as served, served.client() as client, asyncio.timeout(20):
        async with (
            client.ws_connect("/v1/events") as ws,
            client.get("/v1/events", headers={"Accept": "text/event-stream"}) as stream,
        ):
            await next_event(ws)
            await stream.content.readuntil(b"\n\n")
            other = AuthPlan("another-secret-of-thirty-two-chars", 3600, KEY, default_tenant=DEFAULT)
            assert await served.server.take(served.server.prepared(ApiPlan(port=0), other, None)) == 2
            goodbye = await next_event(ws)
            assert (goodbye["event"], goodbye["code"]) == ("goodbye", "auth.token_expired")
            await ws.receive(timeout=10)
            assert ws.close_code == UNAUTHORIZED
            assert b"event: goodbye" in await stream.content.read()
        await served.events.idle.wait()


async def test_a_stream_that_a_ticket_opened_ends_with_the_token_of_the_ticket() -> None:
    async with serving() as served, served.client() as client, asyncio.timeout(20):
        async with client.post("/v1/events/ticket") as reply:
            ticket = (await reply.json())["ticket"]
        expiring(served, 0.2)
        async with (
            aiohttp.ClientSession(served.url) as browser,
            browser.ws_connect(f"/v1/events?ticket={ticket}") as ws,
        ):
            assert (await next_event(ws))["event"] == "hello"
            assert (await next_event(ws))["event"] == "goodbye"
