"""Phones that registered within TLS and over WebSocket are called down their connections."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.loopback.net.kit import DEADLINE_S, Peer, TlsPeer, WebPeer
from tests.loopback.raw_phone import OFFER, RawPhone
from tests.peers.ports import free_ports
from trunkline.app.addresses import host_addresses
from trunkline.app.exchange import Exchange
from trunkline.app.handlers import ExchangeHandlers
from trunkline.app.settings import Settings
from trunkline.app.settings.file import complete
from trunkline.base.messages import AddExtension
from trunkline.model.record import CallRecord
from trunkline.net import Listener
from trunkline.proto.sip.draft import render_response
from trunkline.store import Store

MEDIA = {"address": "127.0.0.1", "browsers": "plain"}
INVALID = "sip:w3b@df7jal23ls0d.invalid;transport=ws"

NewPhone = Callable[[str, str], Awaitable[RawPhone]]


LISTEN: list[str | dict[str, str]] = [
    f"{transport}:127.0.0.1:0" for transport in ("udp", "tcp", "tls", "ws", "wss")
]


@pytest.fixture(params=[(LISTEN, MEDIA)])
async def exchange(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Exchange]:
    listen, media = request.param
    first = free_ports(100)
    media = {**media, "ports": f"{first}-{first + 99}"}
    values = {"domain": "pbx.test", "sip": {"listen": listen}, "media": media, "metrics": {"listen": "off"}}
    with Store.open(tmp_path / "data") as store:
        settings = complete(Settings.model_validate(values), host_addresses())
        exchange = Exchange(settings, store, tmp_path / "data")
        await exchange.start()
        handlers = ExchangeHandlers(store, "pbx.test", exchange, {})
        for number in ("1001", "1002"):
            await handlers.handle(AddExtension(number=number, password=f"secret of {number}"))
        yield exchange
        await exchange.stop(0)


def listener(exchange: Exchange, transport: str) -> Listener:
    return next(one for one in exchange.net.listeners if one.transport == transport)


@pytest.fixture
async def phone(exchange: Exchange) -> AsyncIterator[NewPhone]:
    """``await phone("1001", "WSS")`` connects and registers."""
    peers: list[Peer] = []

    async def connect(user: str, transport: str) -> RawPhone:
        peer = await Peer.connect(listener(exchange, transport))
        peers.append(peer)
        stream: Peer | TlsPeer = peer
        if transport in {"TLS", "WSS"}:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(exchange.data / "tls" / "self-signed.pem")
            stream = await TlsPeer.shake_hands(peer, context, "pbx.test")
        if transport in {"TCP", "TLS"}:
            contact = f"sip:{user}@127.0.0.1:{peer.address[1]};transport={transport.lower()}"
            one = RawPhone(stream, user, f"{transport} 127.0.0.1:{peer.address[1]}", f"<{contact}>")
        else:
            web = await WebPeer.open(stream)
            one = RawPhone(web, user, f"{transport} df7jal23ls0d.invalid", f"<{INVALID}>")
        assert (await one.request("REGISTER", "sip:pbx.test")).status == 200
        return one

    yield connect
    for peer in peers:
        peer.close()


@pytest.mark.rule("T-27")
@pytest.mark.rfc("7118", "5.2")
@pytest.mark.parametrize(
    ("caller", "callee"), [("TLS", "WS"), ("WS", "WSS"), ("WSS", "TLS"), ("TCP", "TCP"), ("WS", "TCP")]
)
async def test_a_call_reaches_each_down_the_connection_it_registered_over(
    exchange: Exchange, phone: NewPhone, caller: str, callee: str
) -> None:
    calling, called = await phone("1001", caller), await phone("1002", callee)
    attempt = asyncio.ensure_future(calling.request("INVITE", "sip:1002@pbx.test", body=OFFER))
    invite = await called.asked("INVITE")
    here = listener(exchange, callee)
    assert f"<{invite.uri}>" == called.contact
    assert invite.headers["Via"].startswith(f"SIP/2.0/{callee} 127.0.0.1:{here.port};")
    # RFC 7118 §5.2 has no wss, but a client that obeyed ws here would leave TLS.
    assert invite.headers["Contact"].endswith(f"@127.0.0.1:{here.port};transport={callee.lower()}>")
    await called.answer(invite, 486)
    assert (await called.asked("ACK")).uri == invite.uri
    assert (await attempt).status == 486


ANSWER = OFFER


@pytest.mark.rule("T-27")
@pytest.mark.rfc("5626", "5.3")
@pytest.mark.parametrize(("caller", "callee"), [("TCP", "TLS"), ("TLS", "WSS"), ("WS", "TCP")])
async def test_requests_within_a_call_go_down_the_connections_that_the_phones_made(
    exchange: Exchange, phone: NewPhone, caller: str, callee: str
) -> None:
    calling, called = await phone("1001", caller), await phone("1002", callee)
    attempt = asyncio.ensure_future(calling.request("INVITE", "sip:1002@pbx.test", body=OFFER))
    invite = await called.asked("INVITE")
    lines = f"Contact: {called.contact}\r\n"
    await called.send(render_response(invite, 200, to_tag="theirs", extra=lines, body=ANSWER))
    answer = await attempt
    here = listener(exchange, caller)
    assert answer.headers["Contact"].endswith(f"@127.0.0.1:{here.port};transport={caller.lower()}>")
    assert (await called.asked("ACK")).headers["Via"].startswith(f"SIP/2.0/{callee} ")
    await calling.within(answer, "ACK")
    await called.within(invite, "BYE")
    assert (await called.response()).status == 200
    bye = await calling.asked("BYE")
    assert f"<{bye.uri}>" == calling.contact
    await calling.answer(bye, 200)
    assert exchange.net.counters.connected == 0, "the exchange has made a connection of its own"


ADVERTISED: list[dict[str, str]] = [
    {"url": f"{transport}:127.0.0.1:0", "advertise": f"203.0.113.5:{port}"}
    for transport, port in (("tls", 15061), ("ws", 80), ("wss", 443))
]


@pytest.mark.parametrize("exchange", [(ADVERTISED, {**MEDIA, "advertise": "203.0.113.9"})], indirect=True)
@pytest.mark.parametrize(("transport", "port"), [("TLS", 15061), ("WS", 80), ("WSS", 443)])
async def test_advertised_addresses_are_told_to_phones_on_every_transport(
    phone: NewPhone, transport: str, port: int
) -> None:
    calling, called = await phone("1001", "TLS"), await phone("1002", transport)
    attempt = asyncio.ensure_future(calling.request("INVITE", "sip:1002@pbx.test", body=OFFER))
    invite = await called.asked("INVITE")
    assert invite.headers["Via"].startswith(f"SIP/2.0/{transport} 203.0.113.5:{port};")
    assert f"@203.0.113.5:{port};transport={transport.lower()}>" in invite.headers["Contact"]
    assert b"c=IN IP4 203.0.113.9\r\n" in invite.body
    await called.answer(invite, 486)
    assert (await attempt).status == 486


@pytest.mark.rule("T-28")
@pytest.mark.rfc("3261", "26.2.2")
async def test_a_sips_call_rings_only_who_is_reached_within_tls(exchange: Exchange, phone: NewPhone) -> None:
    calling, called = await phone("1001", "TLS"), await phone("1002", "WS")
    records: list[CallRecord] = []
    exchange.context.on_call_over = records.append
    refused = await calling.request("INVITE", "sips:1002@pbx.test", body=OFFER)
    assert refused.status == 480
    assert "route.sips_unreachable" in [step["code"] for step in records[0].story]
    secure = await phone("1002", "WSS")
    attempt = asyncio.ensure_future(calling.request("INVITE", "sips:1002@pbx.test", body=OFFER))
    invite = await secure.asked("INVITE")
    await secure.answer(invite, 603)
    assert (await attempt).status == 603
    assert called.stream is not secure.stream


@pytest.mark.rfc("3261", "26.2.2")
@pytest.mark.rfc("5630", "4")
@pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
async def test_what_goes_to_a_sips_number_must_come_within_tls(
    exchange: Exchange, phone: NewPhone, method: str
) -> None:
    calling = await phone("1001", "WS")
    await phone("1002", "TLS")
    records: list[CallRecord] = []
    exchange.context.on_call_over = records.append
    refused = await calling.request(method, "sips:1002@pbx.test", body=OFFER)
    assert refused.status == 480
    if method == "INVITE":
        assert "route.sips_insecure" in [step["code"] for step in records[0].story]


@pytest.mark.rfc("7118", "5.2.3")
async def test_a_web_client_that_left_without_a_word_is_no_longer_registered(
    exchange: Exchange, phone: NewPhone
) -> None:
    calling, called = await phone("1001", "TLS"), await phone("1002", "WSS")
    assert exchange.location.count == 2
    assert isinstance(called.stream, WebPeer)
    assert isinstance(called.stream.stream, TlsPeer)
    called.stream.stream.peer.reset()
    async with asyncio.timeout(DEADLINE_S):
        while exchange.net.counters.connections > 1:  # noqa: ASYNC110  (the exchange tells nobody)
            await asyncio.sleep(0.01)
    with capture_logs() as logs:
        exchange.chores.sweep_bindings()
    assert [one["code"] for one in logs if one["event"] == "register"] == ["register.lost"]
    assert [one.user for one in exchange.location] == ["1001"]
    assert (await calling.request("INVITE", "sip:1002@pbx.test", body=OFFER)).status == 480


async def test_a_web_client_that_has_just_left_cannot_be_called(exchange: Exchange, phone: NewPhone) -> None:
    calling, called = await phone("1001", "TLS"), await phone("1002", "WS")
    assert isinstance(called.stream, WebPeer)
    called.stream.protocol.send_close(1001)
    await called.stream._pump()
    assert await called.stream.closed_with() == 1001
    assert (await calling.request("INVITE", "sip:1002@pbx.test", body=OFFER)).status == 480
