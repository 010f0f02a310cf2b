"""Ten thousand extensions at once: into a store, and into an exchange that goes on answering."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from typer.testing import CliRunner

from tests.peers.exchange import DOMAIN, ExchangeProcess, Extension
from trunkline.app.cli import app

COUNT = 10_000
FIRST = 10_000
PASSWORD = "a good password"


def many(path: Path) -> Path:
    rows = "".join(f"{FIRST + n},quiet-otter-{n:05},Phone {n},,\n" for n in range(COUNT))
    path.write_text(f"number,password,name,contact,max_calls\n{rows}")
    return path


def test_ten_thousand_extensions_into_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_DATA", str(tmp_path / "data"))
    file = many(tmp_path / "many.csv")
    result = CliRunner().invoke(app, ["extension", "import", str(file), "--json"])
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert (summary["rows"], summary["added"], summary["replaced"]) == (COUNT, COUNT, 0)
    assert summary["error"] is None
    again = CliRunner().invoke(app, ["extension", "import", str(file), "--replace", "--json"])
    assert json.loads(again.stdout)["replaced"] == COUNT
    exported = CliRunner().invoke(app, ["extension", "export", "--passwords"])
    assert exported.stdout == file.read_text()


class Asking(asyncio.DatagramProtocol):
    """A phone that registers again and again; each of its REGISTERs gets one try."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.DatagramTransport | None = None
        self.nonce = ""
        self.count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.answer.set_result(data.decode())

    async def register(self) -> int:
        """The status of the answer."""
        assert self.transport is not None
        host, port = self.transport.get_extra_info("sockname")
        self.answer = asyncio.get_running_loop().create_future()
        self.count += 1
        self.transport.sendto(
            f"REGISTER sip:{DOMAIN} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK-asking-{self.count}\r\nMax-Forwards: 70\r\n"
            f"From: <sip:1001@{DOMAIN}>;tag=t\r\nTo: <sip:1001@{DOMAIN}>\r\n"
            f"Call-ID: asking\r\nCSeq: {self.count} REGISTER\r\nContact: <sip:1001@{host}:{port}>\r\n"
            f"{self._authorization()}Content-Length: 0\r\n\r\n".encode()
        )
        answer = await asyncio.wait_for(self.answer, 30.0)
        status = int(answer[8:11])
        if status == 401:
            challenge = next(line for line in answer.split("\r\n") if "algorithm=MD5" in line)
            self.nonce = challenge.partition('nonce="')[2].partition('"')[0]
        return status

    def _authorization(self) -> str:
        if not self.nonce:
            return ""
        nc, uri = f"{self.count:08x}", f"sip:{DOMAIN}"
        ha1 = md5(f"1001:{DOMAIN}:{PASSWORD}")
        response = md5(f"{ha1}:{self.nonce}:{nc}:c:auth:{md5(f'REGISTER:{uri}')}")
        return (
            f'Authorization: Digest username="1001", realm="{DOMAIN}", nonce="{self.nonce}", uri="{uri}", '
            f'response="{response}", algorithm=MD5, qop=auth, nc={nc}, cnonce="c"\r\n'
        )


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


@asynccontextmanager
async def asking(exchange: ExchangeProcess) -> AsyncIterator[Asking]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        Asking, local_addr=("127.0.0.1", 0), remote_addr=("127.0.0.1", exchange.sip_port)
    )
    try:
        yield protocol
    finally:
        transport.close()


async def test_ten_thousand_extensions_into_an_exchange_that_answers_meanwhile(tmp_path: Path) -> None:
    file = many(tmp_path / "many.csv")
    async with ExchangeProcess(tmp_path, [Extension("1001", PASSWORD)]) as exchange:
        async with asking(exchange) as phone:
            importing = asyncio.create_task(
                exchange.run("extension", "import", str(file), "--json", within=120.0)
            )
            assert await phone.register() == 401
            answers = 0
            while not importing.done():
                assert await phone.register() == 200
                answers += 1
        summary = json.loads(await importing)
        assert (summary["rows"], summary["added"], summary["error"]) == (COUNT, COUNT, None)
        assert answers > COUNT // 1000
        assert len(await exchange.ask("extension", "list")) == COUNT + 1
        last = FIRST + COUNT - 1
        assert (await exchange.ask("explain", "1001", "--from", str(last)))["outcome"] != "route.unknown"
        again = json.loads(
            await exchange.run("extension", "import", str(file), "--replace", "--json", within=120.0)
        )
        assert (again["added"], again["replaced"]) == (0, COUNT)
