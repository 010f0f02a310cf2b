"""A phone within TLS and a phone over TCP talk through Trunkline; and what the certificate is for."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.interop.conftest import EXTENSIONS, NewPhone
from tests.peers.baresip import Baresip
from tests.peers.exchange import DOMAIN, ExchangeProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECURE_HZ, PLAIN_HZ = 700.0, 1200.0

Pair = tuple[Baresip, Baresip]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def exchange(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ExchangeProcess]:
    """One exchange that listens on every transport, with a certificate of its own making."""
    folder = tmp_path_factory.mktemp("exchange")
    async with ExchangeProcess(folder, EXTENSIONS, listen=("udp", "tcp", "tls", "ws", "wss")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def phones(new_phone: NewPhone) -> Pair:
    """The phone within TLS and the one over TCP, registered."""
    return await new_phone(SECURE_HZ, "tls"), await new_phone(PLAIN_HZ, "tcp")


@pytest_asyncio.fixture(loop_scope="module")
async def call(request: pytest.FixtureRequest, phones: Pair) -> Pair:
    """Both in a call, each hearing the other; the phone within TLS comes first, and calls unless asked."""
    caller, callee = phones[::-1] if getattr(request, "param", "") == "tcp calls tls" else phones
    await caller.dial(callee.account.user)
    await callee.event("CALL_INCOMING")
    await callee.accept()
    await caller.event("CALL_ESTABLISHED")
    await callee.event("CALL_ESTABLISHED")
    await _both_hear(*phones)
    return phones


async def _both_hear(secure: Baresip, plain: Baresip) -> None:
    await secure.hears(PLAIN_HZ)
    await plain.hears(SECURE_HZ)


@pytest.mark.parametrize("call", ["tls calls tcp", "tcp calls tls"], indirect=True)
async def test_each_hears_the_other_at_the_level_it_was_played(call: Pair) -> None:
    secure, plain = call
    await secure.hears_at(PLAIN_HZ)
    await plain.hears_at(SECURE_HZ)


@pytest.mark.parametrize("holder", [0, 1], ids=["tls", "tcp"])
async def test_hold_and_resume_pass_through(call: Pair, holder: int) -> None:
    secure, plain = call
    await call[holder].hold()
    await secure.hears_nothing_of(PLAIN_HZ)
    await plain.hears_nothing_of(SECURE_HZ)
    await call[holder].resume()
    await _both_hear(secure, plain)


@pytest.mark.parametrize("sender", [0, 1], ids=["tls", "tcp"])
async def test_digits_pass_through_in_order(call: Pair, sender: int) -> None:
    await call[sender].send_digits("159#")
    for digit in "159#":
        await call[1 - sender].event("CALL_DTMF_START", param=digit)
        await call[1 - sender].event("CALL_DTMF_END")


@pytest.mark.parametrize("ender", [0, 1], ids=["tls", "tcp"])
async def test_either_side_hangs_up(call: Pair, ender: int, exchange: ExchangeProcess) -> None:
    await call[ender].hangup()
    await call[1 - ender].event("CALL_CLOSED")
    await exchange.no_calls()


async def test_the_phone_is_reached_down_the_connection_that_it_made(
    phones: Pair, exchange: ExchangeProcess
) -> None:
    secure, _ = phones
    samples = await exchange.metrics()
    assert samples['trunkline_connections{transport="tls"}'] >= 1
    bound = await exchange.ask("registrations")
    (own,) = [one for one in bound if one["number"] == secure.account.user]
    assert "transport=tls" in own["contact"]


async def test_status_shows_every_listener(exchange: ExchangeProcess) -> None:
    shown = await exchange.run("status")
    for transport in ("udp", "tcp", "tls", "ws", "wss"):
        assert f"{transport}:127.0.0.1:{exchange.port(transport)} for phones" in shown


@pytest.mark.parametrize("transport", ["tls", "wss"])
@pytest.mark.parametrize("name", [DOMAIN, "127.0.0.1"])
async def test_who_trusts_the_certificate_finds_the_domain_and_the_address_in_it(
    exchange: ExchangeProcess, transport: str, name: str
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(exchange.certificate)
    _, writer = await asyncio.open_connection(
        "127.0.0.1", exchange.port(transport), ssl=context, server_hostname=name
    )
    writer.close()
    await writer.wait_closed()
