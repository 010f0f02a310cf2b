"""Certificates fetched from a web server of ours, and everything that is not fetched."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.peers.authority import Authority, server
from tests.peers.signers import NumberAuthority, one
from trunkline.base.errors import TransportError
from trunkline.call.party import Party
from trunkline.call.target import Target
from trunkline.net.https import MAX_BODY, HttpsClient, Resource
from trunkline.proto.sip.message import Request
from trunkline.ua.stir import Certificates, Fetched, Ownership, SigningKey, StirSigner, StirVerifier, claim_of

HOME = (ipaddress.ip_network("127.0.0.0/8"),)
ALICE = "12025550100"


class Site:
    """A web server on loopback that answers every request with ``answer``, and keeps what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.context = server(self.authority.issue("certs.test"))
        self.answer = b""
        self.stays_open = False
        self.asked: list[str] = []
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Site]:
        listening = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.context)
        self.port = listening.sockets[0].getsockname()[1]
        async with listening:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(self.answer)
            await writer.drain()
            if self.stays_open:
                await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has seen enough
        finally:
            writer.close()

    def client(self, **rest: float) -> HttpsClient:
        async def resolve(host: str, _port: int) -> list[str]:
            return ["127.0.0.1"] if host == "certs.test" else []

        return HttpsClient(self.authority.client(), inside=HOME, resolve=resolve, **rest)

    @property
    def url(self) -> str:
        return f"https://certs.test:{self.port}/a.pem?x=1"


def plain(body: bytes, *fields: str) -> bytes:
    head = "\r\n".join(["HTTP/1.1 200 OK", *fields, f"Content-Length: {len(body)}"])
    return f"{head}\r\n\r\n".encode() + body


@pytest.mark.rule("T-35")
@pytest.mark.rfc("8224", "7.3")
async def test_a_signed_call_is_checked_with_a_certificate_from_the_web(tmp_path: Path) -> None:
    async with Site(tmp_path).running() as site:
        numbers = NumberAuthority(time.time())
        key = SigningKey(numbers.issue(site.url, [one(ALICE)]).key, site.url)
        site.answer = plain(numbers.files[site.url], "Cache-Control: public, max-age=60")
        client = site.client()

        async def fetch(url: str, /) -> Fetched:
            return Fetched(*await client.get(url))

        verifier = StirVerifier(Certificates(fetch, numbers.anchors), time.time)
        signer = StirSigner(key, Ownership([f"+{ALICE}"]), time.time)
        target = Target("sip:+12025550199@b.test")
        lines = signer.lines(Party(f"+{ALICE}", "a.test"), f"+{ALICE}", target, (), lambda _code, _text: None)
        identity = lines.partition("Identity: ")[2].strip()
        headers = {"From": f"<sip:+{ALICE}@a.test>", "To": f"<{target.uri}>", "Identity": identity}
        claim = claim_of(Request("INVITE", target.uri, headers), trusted=False)
        for _ in range(3):
            verdict = await verifier.verify(claim)
            assert (verdict.verstat, verdict.attest) == ("TN-Validation-Passed", "A"), verdict
        assert len(site.asked) == 1, "it is kept"
        assert site.asked[0].startswith(f"GET /a.pem?x=1 HTTP/1.1\r\nHost: certs.test:{site.port}\r\n")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (plain(b"abc"), Resource(b"abc", None)),
        (plain(b"abc", "Cache-Control: max-age=7"), Resource(b"abc", 7.0)),
        (plain(b"abc", "Cache-Control: no-store, max-age=7"), Resource(b"abc", 0.0)),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", Resource(b"until the end", None)),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            Resource(b"abcde", None),
        ),
    ],
)
async def test_a_body_is_read_whole(tmp_path: Path, answer: bytes, expected: Resource) -> None:
    async with Site(tmp_path).running() as site:
        site.answer = answer
        assert await site.client().get(site.url) == expected


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + bytes(MAX_BODY + 1),
        b"HTTP/1.1 200 OK\r\nX: " + bytes(20000),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFF\r\n",
    ],
)
async def test_what_is_no_small_file_is_not_taken(tmp_path: Path, answer: bytes) -> None:
    async with Site(tmp_path).running() as site:
        site.answer = answer
        with pytest.raises(TransportError):
            await site.client().get(site.url)


async def test_a_server_that_stays_silent_is_left(tmp_path: Path) -> None:
    async with Site(tmp_path).running() as site:
        site.stays_open = True
        with pytest.raises(TransportError, match="did not answer"):
            await site.client(timeout_s=0.3).get(site.url)


async def test_a_server_with_the_certificate_of_another_is_not_believed(tmp_path: Path) -> None:
    async with Site(tmp_path).running() as site:
        site.context = server(site.authority.issue("other.test"))
        async with site.running():
            with pytest.raises(TransportError):
                await site.client().get(site.url)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104  (what must not be reached)
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "::127.0.0.1",
        "64:ff9b:1::a00:1",
        "fec0::1",
        "ff0e::1",
        "nonsense",
    ],
)
async def test_no_address_of_our_own_networks_is_reached(tmp_path: Path, address: str) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return ["192.0.2.1" if address == "nonsense" else "1.1.1.1", address]

    client = HttpsClient(Authority(tmp_path).client(), resolve=resolve)
    with pytest.raises(TransportError, match="not public"):
        await client.get("https://certs.test/")


@pytest.mark.parametrize(
    "url",
    [
        "http://certs.test/",
        "ftp://certs.test/",
        "https://",
        "https:///a",
        "https://user:secret@certs.test/",
        "https://certs.test:99999/",
        "https://[::1/",
        "https://certs.test/a b",
        "https://certs.test/\r\nX: y",
        "https://bücher.test/",
        "https://a..test/",
    ],
)
async def test_no_other_url_is_followed(tmp_path: Path, url: str) -> None:
    client = HttpsClient(Authority(tmp_path).client())
    with pytest.raises(TransportError):
        await client.get(url)
