"""The server with real sockets."""

from __future__ import annotations

import asyncio
import signal
import socket
import struct
from contextlib import suppress

import aiohttp
import pytest

from tests.loopback.api.serving import Served, serving
from tests.unit.api.backend import SDP
from tests.unit.api.door import DEFAULT
from trunkline.api.plan import ApiPlan, LimitPlan, Rate
from trunkline.base.errors import TransportError

CALL = {
    "destination_uri": "bob",
    "sdp_offer": SDP,
    "sip_username": "a",
    "sip_password": "b",
    "sip_domain": "c",
}


async def open_raw(served: Served) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", served.server.port)


async def test_it_serves_and_signals_stay_ours() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    async with serving() as served, served.client() as client:
        async with client.get("/health") as reply:
            assert (reply.status, await reply.text()) == (200, "ok")
            assert "server" not in reply.headers
        async with client.get("/v1/devices") as reply:
            assert await reply.json() == {"devices": [], "next": None}
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    await served.server.stop()


async def test_an_address_that_is_taken_is_said_so() -> None:
    async with serving() as served:
        second = Served(ApiPlan(port=served.server.port))
        with pytest.raises(
            TransportError, match=r"cannot serve the API on 127\.0\.0\.1:\d+: address already in use"
        ):
            await second.server.start()
        await second.server.stop()


@pytest.mark.parametrize("host", ["::1", "localhost"])
async def test_it_serves_on_other_addresses(host: str) -> None:
    async with serving(ApiPlan(host=host, port=0)) as served:
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{served.server.port}/health"
        async with aiohttp.ClientSession() as client, client.get(url) as reply:
            assert reply.status == 200


async def test_it_starts_again_on_the_same_port() -> None:
    async with serving() as first, first.client() as client, client.get("/health") as reply:
        assert reply.status == 200
    async with serving(ApiPlan(port=first.server.port)) as second:
        assert second.server.port == first.server.port


@pytest.mark.scenario(14)
async def test_a_connection_that_breaks_gives_the_call_up() -> None:
    async with serving() as served, served.client() as client:
        served.backend.held.add("app-call.place")
        asking = asyncio.create_task(client.post("/v1/calls", json=CALL))
        async with asyncio.timeout(10):
            await served.backend.asking.wait()
            asking.cancel()
            await served.backend.cancelled.wait()


async def test_a_long_poll_ends_with_its_connection_and_with_the_server() -> None:
    async with serving() as served, served.client() as client:
        served.backend.held.add("app-call.ask-status")
        path = "/v1/calls/x/status?wait=20"
        async with asyncio.timeout(10):
            first = asyncio.create_task(client.get(path))
            await served.backend.asking.wait()
            first.cancel()
            await served.backend.cancelled.wait()
            served.backend.asking.clear()
            second = asyncio.create_task(client.get(path))
            await served.backend.asking.wait()
            await served.server.stop()
            assert (await second).status == 503


@pytest.mark.parametrize("path", ["/voice/v1/devices", "/v1/devices"])
async def test_behind_a_prefix_whether_it_is_cut_off_or_not(path: str) -> None:
    async with serving(ApiPlan(port=0, root_path="/voice", docs=True)) as served, served.client() as client:
        async with client.get(path) as reply:
            assert reply.status == 200
        async with client.get("/voice/openapi.json") as reply:
            assert (await reply.json())["servers"] == [{"url": "/voice"}]
        async with client.ws_connect(path.replace("devices", "events")) as ws:
            assert (await ws.receive_json())["event"] == "hello"


async def test_the_document_is_not_served_unasked() -> None:
    async with serving() as served, served.client() as client, client.get("/openapi.json") as reply:
        assert reply.status == 404


async def test_only_a_trusted_proxy_says_who_asks() -> None:
    guesses = LimitPlan(failures=Rate(1, 1))
    for proxies, second in ((("127.0.0.1",), 401), ((), 429)):
        async with (
            serving(ApiPlan(port=0, limits=guesses, proxies=proxies)) as served,
            aiohttp.ClientSession(served.url) as client,
        ):
            statuses = []
            for source in ("192.0.2.1", "192.0.2.2"):
                headers = {"X-Forwarded-For": f"203.0.113.9, {source}", "Authorization": "Bearer x.y.z"}
                async with client.get("/v1/devices", headers=headers) as reply:
                    statuses.append(reply.status)
            assert statuses == [401, second]


async def test_a_body_that_grows_without_end_is_refused() -> None:
    async with serving() as served, served.client() as client:
        reader, writer = await open_raw(served)
        writer.write(
            f"POST /v1/devices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.token()}\r\n"
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        for _ in range(20):
            writer.write(b"1000\r\n" + b" " * 4096 + b"\r\n")
        async with asyncio.timeout(10):
            assert b" 413 " in await reader.readline()
        writer.transport.abort()
        async with client.get("/health") as reply:
            assert reply.status == 200


async def test_whoever_sends_too_much_reads_why() -> None:
    """What comes after the refusal must not reset the connection: that would take the reply away."""
    async with serving() as served:
        loop = asyncio.get_running_loop()
        with socket.create_connection(("127.0.0.1", served.server.port)) as sock:
            sock.setblocking(False)
            await loop.sock_sendall(
                sock,
                f"POST /v1/devices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.token()}\r\n"
                "Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n".encode(),
            )
            async with asyncio.timeout(10):
                readable = asyncio.Event()
                loop.add_reader(sock, readable.set)
                await readable.wait()
                loop.remove_reader(sock)
                for _ in range(10):
                    await loop.sock_sendall(sock, b" " * 100_000)
                got = b""
                while part := await loop.sock_recv(sock, 65_536):
                    got += part
            assert b" 413 " in got
            assert b"request.too_large" in got


async def pour(writer: asyncio.StreamWriter) -> None:
    for _ in range(100):
        writer.write(b" " * 1_000_000)
        await writer.drain()


async def test_whoever_sends_without_end_is_cut() -> None:
    async with serving() as served:
        reader, writer = await open_raw(served)
        writer.write(
            f"POST /v1/devices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.token()}\r\n"
            "Content-Type: application/json\r\nContent-Length: 100000000\r\n\r\n".encode()
        )
        async with asyncio.timeout(10):
            assert b"request.too_large" in await reader.read()
            with pytest.raises(ConnectionError):
                await pour(writer)


async def test_stopping_does_not_wait_for_whoever_still_sends() -> None:
    async with serving(ApiPlan(port=0, stop_s=1)) as served:
        reader, writer = await open_raw(served)
        writer.write(b"POST /v1/devices HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        async with asyncio.timeout(10):
            assert b" 413 " in await reader.read()
            await served.server.stop()
            with pytest.raises(ConnectionError):
                await pour(writer)


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async with serving(ApiPlan(port=0, body_s=0.05)) as served:
        reader, writer = await open_raw(served)
        writer.write(
            f"POST /v1/devices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.token()}\r\n"
            "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{".encode()
        )
        async with asyncio.timeout(10):
            assert b" 408 " in await reader.readline()
            await reader.read()
        writer.transport.abort()


async def test_a_body_that_comes_a_byte_at_a_time_is_not_waited_for() -> None:
    async with serving(ApiPlan(port=0, body_s=0.3)) as served:
        reader, writer = await open_raw(served)
        writer.write(
            f"POST /v1/devices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.token()}\r\n"
            "Content-Type: application/json\r\nContent-Length: 50000\r\n\r\n".encode()
        )
        answer = asyncio.ensure_future(reader.readline())
        for _ in range(1000):
            writer.write(b" ")
            done, _ = await asyncio.wait([answer], timeout=0.01)
            if done:
                break
        assert b" 408 " in answer.result()
        writer.transport.abort()


@pytest.mark.parametrize("answered", [0, 1])
@pytest.mark.parametrize("sent", [b"", b"GET /health HTTP/1.1\r\nHo"])
async def test_a_head_that_does_not_come_is_not_waited_for(sent: bytes, answered: int) -> None:
    async with serving(ApiPlan(port=0, head_s=0.05, keep_alive_s=1)) as served:
        reader, writer = await open_raw(served)
        async with asyncio.timeout(10):
            for _ in range(answered):
                writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
                await reader.readuntil(b"\r\n\r\nok")
            writer.write(sent)
            with suppress(ConnectionError):
                assert await reader.read() == b""
        writer.transport.abort()


async def test_a_head_too_large_is_refused() -> None:
    async with serving() as served:
        reader, writer = await open_raw(served)
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 40_000)
        async with asyncio.timeout(10):
            assert b" 400 " in await reader.readline()
        writer.transport.abort()


async def test_no_more_connections_than_may_be() -> None:
    async with serving(ApiPlan(port=0, max_connections=1)) as served:
        _, first = await open_raw(served)
        first.write(b"GET /hea")
        reader, second = await open_raw(served)
        async with asyncio.timeout(10):
            with suppress(ConnectionError):
                assert await reader.read() == b""
        first.transport.abort()
        second.transport.abort()


async def test_one_address_has_so_many_connections_unless_a_proxy_is_trusted() -> None:
    limits = LimitPlan(connections_each=1)
    async with serving(ApiPlan(port=0, limits=limits, proxies=())) as served:
        async with served.client() as client, client.ws_connect("/v1/events") as ws:
            await ws.receive_json(timeout=10)
            reader, second = await open_raw(served)
            async with asyncio.timeout(10):
                with suppress(ConnectionError):
                    assert await reader.read() == b""
            second.transport.abort()
        sources = served.server.doorway.sources
        async with asyncio.timeout(10):
            while len(sources.connections):  # noqa: ASYNC110  (nobody tells the test)
                await asyncio.sleep(0.01)
        assert sources.refused == 1
        async with served.client() as client, client.get("/health") as reply:
            assert reply.status == 200
    async with serving(ApiPlan(port=0, limits=limits)) as served:
        writers = [(await open_raw(served))[1] for _ in range(3)]
        async with served.client() as client, client.get("/health") as reply:
            assert reply.status == 200
        for writer in writers:
            writer.transport.abort()


async def test_what_one_address_asks_beyond_its_limit_is_refused_with_the_headers_of_all_replies() -> None:
    async with serving(ApiPlan(port=0, limits=LimitPlan(connections_each=1))) as served:
        async with served.client() as client, client.ws_connect("/v1/events") as ws:
            await ws.receive_json(timeout=10)
            async with client.get("/health") as reply:
                assert (reply.status, reply.headers["Retry-After"]) == (429, "5")
                assert reply.headers["X-Content-Type-Options"] == "nosniff"
                assert reply.headers["Cache-Control"] == "no-store"
            async with client.get("/health", headers={"X-Forwarded-For": "10.9.9.9, 192.0.2.1"}) as reply:
                assert reply.status == 200, "a proxy asks for somebody else"
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await client.ws_connect("/v1/events")
            assert refused.value.status == 429
        async with asyncio.timeout(10):
            while len(served.server.doorway.sources.connections):  # noqa: ASYNC110  (nobody tells the test)
                await asyncio.sleep(0.01)


async def test_browsers_of_listed_origins_may_ask() -> None:
    listed = "https://app.example.com"
    asking = {"Origin": listed, "Access-Control-Request-Method": "POST"}
    for origins, expected in (((listed,), listed), ((), None)):
        async with serving(ApiPlan(port=0, origins=origins)) as served, served.client() as client:
            async with client.options("/v1/calls", headers=asking) as reply:
                assert reply.headers.get("Access-Control-Allow-Origin") == expected
            async with client.get("/v1/calls", headers={"Origin": "https://evil.example"}) as reply:
                assert "Access-Control-Allow-Origin" not in reply.headers


async def test_a_reader_that_does_not_read_is_cut() -> None:
    async with serving(ApiPlan(port=0, send_s=0.1)) as served:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", served.server.port))
        head = "GET /v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n"
        await loop.sock_sendall(sock, f"{head}Authorization: Bearer {served.token()}\r\n\r\n".encode())
        async with asyncio.timeout(20):
            await served.events.listening.wait()
            while served.events.listeners:
                served.events.tell(DEFAULT, "alice", "call.info", body="x" * 60_000)
                await asyncio.sleep(0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()


async def test_a_connection_that_has_asked_may_become_an_event_channel() -> None:
    async with serving() as served:
        said = f"Host: h\r\nAuthorization: Bearer {served.token()}\r\n"
        upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        reader, writer = await open_raw(served)
        async with asyncio.timeout(20):
            writer.write(f"POST /v1/calls/x/ringing HTTP/1.1\r\n{said}Content-Length: 0\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            assert head.startswith(b"HTTP/1.1 404 ")
            await reader.readexactly(int(length))
            writer.write(f"GET /v1/events HTTP/1.1\r\n{said}{upgrade}{key}\r\n".encode())
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            writer.close()
            await writer.wait_closed()
