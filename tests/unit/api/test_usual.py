"""What is read and written past h11 is the same as by it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import h11
import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from fuzz.fuzz_http import by_h11
from trunkline.api import connection
from trunkline.api.connection import Http
from trunkline.api.crowds import Sources
from trunkline.api.plan import ApiPlan
from trunkline.api.usual import read_usual

HEAD = b"GET /v1/calls/a%20b?x=1 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer a.b.c\r\n\r\n"
POST = (
    b"POST /v1/calls/t/accept HTTP/1.1\r\nhost:h:8080\r\nConnection: Keep-Alive\r\nX:  two  words \r\n"
    b'Empty:\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{"sdp":"v=0"'
)
ASKED = [
    HEAD,
    POST,
    HEAD.replace(b"GET", b"DELETE"),
    HEAD.replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n"),
]
LEFT = [
    b"",
    b"\r\n",
    HEAD[:-1],
    HEAD + b"x",
    HEAD + HEAD,
    POST[:-1],
    b"\r\n" + HEAD,
    HEAD.replace(b"GET", b"HEAD"),
    HEAD.replace(b"GET", b"get"),
    HEAD.replace(b"GET", b"CONNECT"),
    HEAD.replace(b"/v1", b"http://h/v1"),
    HEAD.replace(b"a%20b", b"a b"),
    HEAD.replace(b"a%20b", b"\xc3\xa4"),
    HEAD.replace(b"1.1", b"1.0"),
    HEAD.replace(b"\r\n", b"\n"),
    HEAD.replace(b"Host: h\r\n", b""),
    HEAD.replace(b"Host: h\r\n", b"Host: h\r\nHost: h\r\n"),
    HEAD.replace(b"Host: h", b"Host : h"),
    HEAD.replace(b"Host: h", b"Host:\th"),
    HEAD.replace(b"Host: h", b"Host: h\r\n folded"),
    HEAD.replace(b"Host: h", b"Host: h\nX: y"),
    HEAD.replace(b"Host: h", b"Host: h\r\nX: a\x00b"),
    HEAD.replace(b"Host: h", b"Host: h\r\nX: \xe9"),
    HEAD.replace(b"Host: h", b"Host: h\r\n: y"),
    HEAD.replace(b"Host: h", b"Host: h\r\nConnection: close"),
    HEAD.replace(b"Host: h", b"Host: h\r\nConnection: Upgrade\r\nUpgrade: websocket"),
    HEAD.replace(b"Host: h", b"Host: h\r\nUpgrade: h2c"),
    POST.replace(b"X:", b"Transfer-Encoding:"),
    POST.replace(b"X:  two  words ", b"Transfer-Encoding: chunked"),
    POST.replace(b"X:  two  words ", b"Expect: 100-continue"),
    POST.replace(b"X:  two  words ", b"Content-Length: 12"),
    POST.replace(b"X:  two  words ", b"Content-Length: 3"),
    POST.replace(b"Length: 12", b"Length: +12"),
    POST.replace(b"Length: 12", b"Length: 12, 12"),
    POST.replace(b"Length: 12", b"Length: "),
    POST.replace(b"Length: 12", b"Length: 11"),
    POST.replace(b"Length: 12", b"Length: 13"),
    POST.replace(b"Length: 12", b"Length: 1\xb2"),
]
PIECES = [
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b":",
    b"\x00",
    b"\x7f",
    b"\xff",
    b"GET",
    b"/",
    b"?",
    b"HTTP/1.1",
    b"0",
    b"12",
]
PIECES += [
    b"Host: h\r\n",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    HEAD,
]


@pytest.mark.parametrize("data", ASKED)
def test_what_is_usual_is_read_as_h11_reads_it(data: bytes) -> None:
    assert read_usual(data, 16_384) == by_h11(data)
    assert read_usual(data, 16_384) is not None


@pytest.mark.rfc("9112", "3")
@pytest.mark.parametrize("data", LEFT)
def test_what_is_not_usual_is_left_to_h11(data: bytes) -> None:
    assert read_usual(data, 16_384) is None


def test_a_head_that_is_too_large_is_left_to_h11() -> None:
    assert read_usual(HEAD, len(HEAD)) is not None
    assert read_usual(HEAD, len(HEAD) - 1) is None


def test_nothing_is_read_in_another_way_than_by_h11() -> None:
    """Thousands of mutants: h11 reads the same of each that is taken."""
    dice, taken = random.Random(9112), 0  # noqa: S311  (no secret)
    for _ in range(6_000):
        data = bytearray(dice.choice(ASKED))
        for _ in range(dice.randint(1, 3)):
            at = dice.randrange(len(data))
            data[at : at + dice.randint(0, 3)] = dice.choice(PIECES)
        found = read_usual(bytes(data), 16_384)
        if found is not None:
            taken += 1
            assert found == by_h11(bytes(data))
    assert taken > 100


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.told = b""
        self.closed = asyncio.Event()
        self.paused = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("192.0.2.7", 4000) if name == "peername" else default

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self.told += bytes(data)

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def close(self) -> None:
        self.closed.set()

    abort = close

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol


App = Callable[[Any, Any, Any], Awaitable[None]]


def connected(app: Any) -> tuple[Http, Wire]:
    """A connection to ``app``."""
    plan, wire = ApiPlan(), Wire()
    kind = type("Kind", (Http,), {"plan": plan, "sources": Sources(9, 9, ())})
    config = Config(app, http=kind, lifespan="off", log_config=None, access_log=False, interface="asgi3")
    config.load()
    made = kind(config=config, server_state=ServerState(), app_state={})
    wire.set_protocol(made)
    made.connection_made(wire)
    return made, wire


async def settled(http: Http) -> None:
    """Until nothing is under way."""
    async with asyncio.timeout(10):
        while http.tasks:
            await asyncio.gather(*http.tasks, return_exceptions=True)
    http.connection_lost(None)


LENGTH, CLOSE = (b"content-length", b"5"), (b"connection", b"close")


@pytest.mark.parametrize(
    ("status", "headers", "parts"),
    [
        (200, [LENGTH, (b"X-Two", b"a b"), (b"x-empty", b"")], [b"hello"]),
        (200, [LENGTH], [b"he", b"", b"llo"]),
        (200, [(b"content-length", b"0")], [b""]),
        (200, [(b"content-type", b"text/event-stream")], [b"one", b"", b"two"]),
        (200, [], [b""]),
        (204, [], [b""]),
        (304, [], [b""]),
        (413, [LENGTH, CLOSE], [b"hello"]),
        (503, [LENGTH], [b"hello"]),
        (200, [(b"x", b"a\r\nset-cookie: b"), LENGTH], [b"hello"]),
        (200, [(b"x", b"a\x00"), LENGTH], [b"hello"]),
        (200, [(b"x y", b"a"), LENGTH], [b"hello"]),
    ],
)
async def test_replies_are_written_as_h11_writes_them(
    status: int, headers: list[tuple[bytes, bytes]], parts: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for index, part in enumerate(parts):
            await send({"type": "http.response.body", "body": part, "more_body": index + 1 < len(parts)})

    told = []
    for read in (read_usual, lambda *_: None):
        monkeypatch.setattr(connection, "read_usual", read)
        http, wire = connected(app)
        http.data_received(HEAD)
        await asyncio.sleep(0)
        told.append((wire.told, wire.is_closing(), http.conn.our_state is h11.ERROR))
        await settled(http)
    assert told[0][:2] == told[1][:2]
    assert not told[0][2]


@pytest.mark.parametrize("body", [b"hell", b"hello!"])
async def test_a_reply_of_another_length_ends_the_connection(body: bytes) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [LENGTH]})
        await send({"type": "http.response.body", "body": body})

    http, wire = connected(app)
    http.data_received(HEAD)
    await settled(http)
    assert wire.is_closing()
    assert not wire.told.endswith(body)


async def test_what_the_application_is_told() -> None:
    """The same by both; but for the second, where a request comes in two parts."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        while message.get("more_body"):
            more = await receive()
            message = {**more, "body": message["body"] + more["body"]}
        seen.append((scope, message))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    for data in (HEAD, POST):
        for cut in (len(data), 30, len(data) - 3):
            http, _ = connected(app)
            http.data_received(data[:cut])
            if cut < len(data):
                http.data_received(data[cut:])
            await settled(http)
    for first in (0, 3):
        assert seen[first] == seen[first + 1] == seen[first + 2]
    assert seen[0][0]["path"] == "/v1/calls/a b"
    assert seen[3][1]["body"] == b'{"sdp":"v=0"'


async def test_requests_that_do_not_wait_for_their_replies_are_answered_in_order() -> None:
    free, asked = asyncio.Event(), []

    async def app(scope: Any, _receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        await free.wait()
        body = scope["path"].encode()
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})

    def request(name: str) -> bytes:
        return f"GET /{name} HTTP/1.1\r\nHost: h\r\n\r\n".encode()

    http, wire = connected(app)
    http.data_received(request("a"))
    http.data_received(request("b") + request("c"))
    http.data_received(request("d")[:9])
    await asyncio.sleep(0)
    assert (asked, wire.paused) == (["/a"], True)
    free.set()
    http.data_received(request("d")[9:])
    async with asyncio.timeout(10):
        while http.tasks:
            await asyncio.gather(*http.tasks)
    assert asked == ["/a", "/b", "/c", "/d"]
    assert [one[-2:] for one in wire.told.split(b"HTTP/1.1 200 OK")[1:]] == [b"/a", b"/b", b"/c", b"/d"]
    assert not wire.paused
    await settled(http)


async def test_usual_requests_and_others_go_by_one_connection() -> None:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    chunked = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX: y\r\n\r\n"
    http, wire = connected(app)
    asked = 0
    for data, more in (
        ([HEAD], 1),
        ([chunked], 1),
        ([POST], 1),
        ([HEAD[:20], HEAD[20:]], 1),
        ([HEAD + chunked + POST], 3),
        ([HEAD, chunked + HEAD[:7], HEAD[7:]], 3),
        ([POST], 1),
        ([HEAD.replace(b"Host", b"Connection: close\r\nHost")], 1),
    ):
        assert not wire.is_closing()
        for part in data:
            http.data_received(part)
        async with asyncio.timeout(10):
            while http.tasks:
                await asyncio.gather(*http.tasks)
        asked += more
        assert wire.told.count(b"HTTP/1.1 200 OK\r\n") == asked
    assert wire.is_closing()
    await settled(http)


async def test_who_sends_without_waiting_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_MOST_HELD", 1000)

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        await receive()
        await receive()

    http, wire = connected(app)
    http.data_received(HEAD)
    for _ in range(20):
        http.data_received(HEAD)
    assert wire.is_closing()
    http.connection_lost(ConnectionError())
    await settled(http)
