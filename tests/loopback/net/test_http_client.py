"""The way out by HTTP: to a web server of ours, through a proxy of ours, and to nowhere it must not go."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.peers.authority import Authority, server
from tests.peers.connect_proxy import ConnectProxy
from trunkline.base.errors import ConfigError, TransportError
from trunkline.net.http_client import ForbiddenUrlError, HttpClient, HttpPlan
from trunkline.net.http_proxy import connect_by, parse_proxy
from trunkline.net.public_addresses import Resolve

HOME = (ipaddress.ip_network("127.0.0.0/8"),)
SECRET = "Basic dXNlcjpzZWNyZXQ="

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@asynccontextmanager
async def site(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A web server on loopback; its port."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)  # type: ignore[arg-type]  # web.BaseRequest is what it says
    await runner.setup()
    place = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await place.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def client(plan: HttpPlan, resolve: Resolve | None = None) -> AsyncIterator[HttpClient]:
    one = HttpClient(plan, resolve=resolve or to_loopback)
    try:
        yield one
    finally:
        await one.close()


async def to_loopback(host: str, _port: int) -> list[str]:
    if host.endswith(".test") or host == "localhost":
        return ["127.0.0.1"]
    raise OSError(f"{host} is unknown")


async def echo(request: web.Request) -> web.StreamResponse:
    body = await request.read()
    return web.Response(status=201, body=body, headers={"Retry-After": "7", "X-Path": request.path_qs})


async def test_a_strangers_server_is_asked_within_tls(authority: Authority) -> None:
    async with (
        site(echo, server(authority.issue("push.test"))) as port,
        client(HttpPlan(inside=HOME, ca_file=authority.ca)) as http,
    ):
        answer = await http.post(f"https://push.test:{port}/a?b=1#c", b"abc", {"TTL": "0"})
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (201, b"abc", "7")
    assert answer.headers["X-Path"] == "/a?b=1"


async def test_connections_are_kept(authority: Authority) -> None:
    seen = set()

    async def note(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        seen.add(request.transport.get_extra_info("peername"))
        return web.Response()

    async with (
        site(note, server(authority.issue("push.test"))) as port,
        client(HttpPlan(inside=HOME, ca_file=authority.ca)) as http,
    ):
        for _ in range(3):
            await http.get(f"https://push.test:{port}/")
    assert len(seen) == 1


async def test_what_the_operator_named_may_be_inside_and_plain() -> None:
    async with site(echo) as port, client(HttpPlan(named=(f"http://backend.test:{port}/hook",))) as http:
        assert (await http.post(f"http://backend.test:{port}/other", b"x")).status == 201
        for other in (
            f"http://backend.test:{port + 1}/",
            f"https://backend.test:{port}/",
            f"http://a.test:{port}/",
        ):
            with pytest.raises(ForbiddenUrlError):
                await http.get(other)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "100.64.0.1",
        "::1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
    ],
)
async def test_strangers_do_not_lead_inside(address: str) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["1.1.1.1", address]

    literal = f"[{address}]" if ":" in address else address
    async with client(HttpPlan(), resolve) as http:
        for host in ("push.test", literal):
            with pytest.raises(ForbiddenUrlError, match="not public"):
                await http.get(f"https://{host}/")


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f.1", "0177.0.0.1"])
async def test_other_spellings_of_loopback_are_no_way_in(host: str) -> None:
    async with client(HttpPlan()) as http:
        with pytest.raises(TransportError):
            await http.get(f"https://{host}/")


@pytest.mark.parametrize(
    "url",
    [
        "http://push.test/",
        "ftp://push.test/",
        "https://",
        "https://user:secret@push.test/",
        "https://push.test:99999/",
        "https://[::1/",
        "https://push.test/a b",
        "https://push.test/\r\nX: y",
        "https://bücher.test/",
    ],
)
async def test_no_other_url_is_followed(url: str) -> None:
    async with client(HttpPlan()) as http:
        with pytest.raises(ForbiddenUrlError) as caught:
            await http.get(url)
    assert "secret" not in str(caught.value)


async def test_a_redirection_is_an_answer_as_any() -> None:
    async def away(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "http://169.254.169.254/"})

    async with site(away) as port, client(HttpPlan(named=(f"http://a.test:{port}",))) as http:
        assert (await http.get(f"http://a.test:{port}/")).status == 302


async def test_answers_are_bounded() -> None:
    async def much(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=bytes(2000))

    async with site(much) as port, client(HttpPlan(named=(f"http://a.test:{port}",), max_body=1999)) as http:
        with pytest.raises(TransportError, match="more than 1999 bytes"):
            await http.get(f"http://a.test:{port}/")


async def test_a_silent_server_is_left() -> None:
    gone = asyncio.Event()

    async def silent(_request: web.Request) -> web.StreamResponse:
        await gone.wait()
        return web.Response()

    async with site(silent) as port, client(HttpPlan(named=(f"http://a.test:{port}",))) as http:
        with pytest.raises(TransportError, match=r"a\.test did not answer in 0\.2 s"):
            await http.get(f"http://a.test:{port}/", timeout_s=0.2)
        gone.set()


async def test_certificates_are_verified(authority: Authority) -> None:
    async with site(echo, server(authority.issue("other.test"))) as port:
        for plan in (HttpPlan(inside=HOME), HttpPlan(inside=HOME, ca_file=authority.ca)):
            async with client(plan) as http:
                with pytest.raises(TransportError, match=r"push\.test: its certificate is not trusted"):
                    await http.get(f"https://push.test:{port}/")


async def test_errors_tell_the_host_and_not_the_url() -> None:
    async with client(HttpPlan(inside=HOME)) as http:
        with pytest.raises(TransportError) as caught:
            await http.get("https://nowhere.example/token-of-a-device")
        assert str(caught.value) == "nowhere.example: no address was found"
        with pytest.raises(TransportError) as refused:
            await http.get("https://push.test:1/token-of-a-device")
    assert "cannot be reached" in str(refused.value)
    assert "token" not in str(refused.value)


@pytest.mark.rfc("9110", "9.3.6")
async def test_tls_goes_through_the_proxy(authority: Authority) -> None:
    async with (
        site(echo, server(authority.issue("push.test"))) as port,
        ConnectProxy({"push.test": "127.0.0.1"}, SECRET).running() as proxy,
    ):
        plan = HttpPlan(ca_file=authority.ca, proxy=parse_proxy(f"http://user:secret@127.0.0.1:{proxy.port}"))

        async def unknown(_host: str, _port: int) -> list[str]:
            raise OSError("no name is known behind the proxy")

        async with client(plan, unknown) as http:
            assert (await http.post(f"https://push.test:{port}/", b"x")).status == 201
            with pytest.raises(ForbiddenUrlError):
                await http.get("https://localhost/")
            with pytest.raises(ForbiddenUrlError):
                await http.get("https://169.254.169.254/")
        assert proxy.asked == [f"push.test:{port}"]
        async with client(plan) as http:
            with pytest.raises(ForbiddenUrlError):
                await http.get("https://push.test/")


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost.",
        "a.localhost",
        "intranet",
        "intranet.",
        "printer.local",
        "x.internal.",
        "127.0.0.1.",
    ],
)
async def test_names_of_the_networks_behind_a_proxy_are_not_asked_for(host: str) -> None:
    async with ConnectProxy({}, SECRET).running() as proxy:
        known = parse_proxy(f"http://127.0.0.1:{proxy.port}", username="user", password=SECRET)

        async def unknown(_host: str, _port: int) -> list[str]:
            raise OSError("no name is known behind the proxy")

        client = HttpClient(HttpPlan(proxy=known), resolve=unknown)
        with pytest.raises(ForbiddenUrlError):
            await client.get(f"https://{host}/")
        await client.close()
        assert proxy.asked == []


async def test_a_proxy_that_refuses_is_told_of(authority: Authority) -> None:
    async with ConnectProxy({}, SECRET).running() as proxy:
        known = parse_proxy(f"http://127.0.0.1:{proxy.port}", username="user", password="wrong")
        plan = HttpPlan(named=("https://push.test",), proxy=known)
        async with client(plan) as http:
            with pytest.raises(TransportError, match=r"push\.test: the proxy refused with 407"):
                await http.get("https://push.test/")
        with pytest.raises(TransportError, match="refused with 407"):
            await connect_by(known, "push.test", 443)
    assert authority.ca.exists()


async def test_a_socket_through_the_proxy_is_for_whatever_is_spoken() -> None:
    async with site(echo) as port, ConnectProxy({"far.test": "127.0.0.1"}).running() as running:
        proxy = parse_proxy(f"http://127.0.0.1:{running.port}")
        raw = await connect_by(proxy, "far.test", port)
        reader, writer = await asyncio.open_connection(sock=raw)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.0 201")
        writer.close()
        await writer.wait_closed()
        with pytest.raises(TransportError, match="proxy"):
            await connect_by(proxy, "far.test", 1)


async def test_nothing_is_asked_after_the_end() -> None:
    http = HttpClient(HttpPlan(inside=HOME), resolve=to_loopback)
    await http.close()
    with pytest.raises(TransportError, match="closed"):
        await http.get("https://push.test/")


def test_a_plan_that_cannot_be_is_told(tmp_path: Path) -> None:
    broken = tmp_path / "ca.pem"
    broken.write_text("no certificate")
    for proxy in ("", "socks5://127.0.0.1", "http://user:hush@host:1/path", "http://user:hush@[::1"):
        with pytest.raises(ConfigError, match=r"push\.proxy") as caught:
            parse_proxy(proxy)
        assert "hush" not in str(caught.value)
    for file in (broken, tmp_path / "none.pem"):
        with pytest.raises(ConfigError, match=r"push\.ca"):
            HttpClient(HttpPlan(ca_file=file))
