"""SIPVicious and a guesser against a running exchange: they learn nothing, and phones do not notice."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.peers.baresip import Account, Baresip
from tests.peers.exchange import DOMAIN, ECHO_NUMBER, ExchangeProcess, Extension
from tests.peers.ports import free_ports
from tests.peers.programs import end_process, program
from trunkline import __version__
from trunkline.proto.sip.challenge import parse_challenges
from trunkline.proto.sip.digest_client import Account as DigestAccount
from trunkline.proto.sip.digest_client import Attempts, DigestClient
from trunkline.proto.sip.message import Response, parse_message

HERE = "127.0.0.1"
PASSWORD = "nine-blue-chairs-17"
GUESSED = "77123456"


@pytest_asyncio.fixture
async def exchange(tmp_path: Path) -> AsyncIterator[ExchangeProcess]:
    extensions = [Extension("301", PASSWORD), Extension("302", PASSWORD), Extension("303", GUESSED)]
    async with ExchangeProcess(tmp_path, extensions) as running:
        yield running


def account(exchange: ExchangeProcess, user: str) -> Account:
    return Account(user, PASSWORD, DOMAIN, exchange.address)


async def scan(
    folder: Path, exchange: ExchangeProcess, tool: str, *options: str, within: float = 60.0
) -> str:
    """Run one of SIPVicious' programs to its end; all that it says."""
    home = folder / "sipvicious"
    home.mkdir(exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        program(tool),
        *("-P", str(free_ports(10)), "-p", str(exchange.sip_port), *options, HERE),
        cwd=home,
        env=os.environ | {"HOME": str(home)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), within)
    finally:
        await end_process(process)
    return out.decode(errors="replace")


async def echo_call(phone: Baresip) -> None:
    """The phone calls the echo and hears itself."""
    await phone.dial(ECHO_NUMBER)
    await phone.event("CALL_ESTABLISHED")
    await phone.hears(phone.tone_hz)
    await phone.hangup()
    await phone.event("CALL_CLOSED")


async def test_sipvicious_learns_no_user_no_password_and_no_version(
    exchange: ExchangeProcess, tmp_path: Path
) -> None:
    async with Baresip(tmp_path, account(exchange, "301")) as phone:
        await phone.registered()
        told = [
            await scan(tmp_path, exchange, "svmap", "-v"),
            await scan(tmp_path, exchange, "svwar", "-v", "-e", "290-310"),
            await scan(tmp_path, exchange, "svwar", "-v", "-e", "290-310", "--force", "--maximumtime=3"),
            await scan(tmp_path, exchange, "svwar", "-e", "290-310", "-m", "INVITE", "--force"),
            await scan(tmp_path, exchange, "svwar", "-e", "290-310", "-m", "OPTIONS", "--force"),
            await scan(tmp_path, exchange, "svcrack", "-v", "-u", "303", "-r", "77123450-77123460"),
            await scan(tmp_path, exchange, "svcrack", "-v", "-u", "303", "-r", "77123450-77123460"),
        ]
        everything = "\n".join(told)
        assert told[0].count(exchange.address), "the scanner worked: it found where somebody answers"
        assert not re.search(rf"(?i)trunkline[/ ]|{re.escape(__version__)}", everything)
        assert sum("found nothing" in each for each in told) == 6
        for user in ("301", "302", "303"):
            assert not re.search(rf"\| {user} ", everything), (
                "svwar and svcrack show tables of what they found"
            )
        await echo_call(phone)


class Guesser:
    """Tries one password after the other over a UDP socket of its own, as fast as it is answered."""

    def __init__(self, exchange: ExchangeProcess, user: str, host: str = HERE) -> None:
        self.user = user
        self._exchange = exchange
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((host, 0))
        self._socket.connect((HERE, exchange.sip_port))
        self._count = 0

    async def guess(self, password: str) -> int:
        """The status that a password brings, 0 when it is dropped unread."""
        challenge = await self._ask("")
        if challenge is None or challenge.status != 401:
            return 0 if challenge is None else challenge.status
        (answer,) = DigestClient(DigestAccount(self.user, password)).answer(
            parse_challenges(challenge.headers["WWW-Authenticate"]),
            "REGISTER",
            f"sip:{DOMAIN}",
            "c",
            Attempts(),
        )
        judged = await self._ask(f"Authorization: {answer}\r\n")
        return 0 if judged is None else judged.status

    async def _ask(self, extra: str) -> Response | None:
        self._count += 1
        dropped = await self._dropped()
        here = "{}:{}".format(*self._socket.getsockname())
        self._socket.send(
            f"REGISTER sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKg{self._count};rport\r\n"
            f"From: <sip:{self.user}@{DOMAIN}>;tag=g\r\nTo: <sip:{self.user}@{DOMAIN}>\r\nCall-ID: g\r\n"
            f"CSeq: {self._count} REGISTER\r\nMax-Forwards: 70\r\n{extra}Content-Length: 0\r\n\r\n".encode()
        )
        answer = asyncio.ensure_future(self._loop.sock_recv(self._socket, 65535))
        async with asyncio.timeout(60):
            while not (await asyncio.wait([answer], timeout=0.1))[0]:
                if await self._dropped() > dropped:
                    answer.cancel()
                    return None
        message = parse_message(await answer)
        assert isinstance(message, Response)
        return message

    async def _dropped(self) -> float:
        """Datagrams of banned sources that the exchange has not read."""
        return (await self._exchange.metrics())["trunkline_sip_messages_ignored_total"]

    def close(self) -> None:
        self._socket.close()


@pytest.mark.parametrize("host", [HERE, "127.0.0.2"], ids=["behind one address", "from elsewhere"])
async def test_a_guesser_is_shut_out_before_it_comes_to_the_password_and_a_phone_goes_on(
    exchange: ExchangeProcess, tmp_path: Path, host: str
) -> None:
    async with Baresip(tmp_path, account(exchange, "301"), host=host) as phone:
        await phone.registered()
        guesser = Guesser(exchange, "303")
        answers = [await guesser.guess(str(number)) for number in range(77123440, 77123452)]
        assert answers[0] == 401
        assert answers[-2:] == [0, 0]
        assert await guesser.guess(GUESSED) == 0, "the right one comes too late"
        guesser.close()
        (ban,) = await exchange.ask("bans", "list")
        assert (ban["source"], ban["code"]) == (HERE, "ban.wrong_passwords")
        await echo_call(phone)
        assert (await exchange.metrics())["trunkline_bans_active"] == 1
        assert await exchange.ask("bans", "clear", HERE) == {"sources": [HERE]}
        pardoned = Guesser(exchange, "303")
        assert await pardoned.guess(GUESSED) == 200
        pardoned.close()
    log = exchange.log()
    assert log.count('"source banned"') == 1
    assert log.count('"register refused"') <= 20
    assert GUESSED not in log
