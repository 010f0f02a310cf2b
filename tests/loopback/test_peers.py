"""Peers of the settings, before a whole exchange: let in by address, believed and checked as the file says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from tests.loopback.raw_phone import OFFER
from tests.peers.signers import NumberAuthority, code, key_pem
from trunkline.app.addresses import host_addresses
from trunkline.app.exchange import Exchange
from trunkline.app.handlers import ExchangeHandlers
from trunkline.app.peering import Peering
from trunkline.app.settings import Settings
from trunkline.app.settings.file import complete
from trunkline.base.messages import AddExtension
from trunkline.proto.sip.draft import Draft
from trunkline.proto.sip.message import Request, Response, parse_message
from trunkline.store import Store

CARRIER, STRANGER = "127.0.0.5", "127.0.0.6"
ASSERTED = "P-Asserted-Identity: <sip:+4930999@carrier.test>\r\n"
DEADLINE_S = 60.0


class Socket(asyncio.DatagramProtocol):
    """A UDP socket that keeps what comes."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Request | Response] = asyncio.Queue()
        self.transport: asyncio.DatagramTransport

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, _source: Any) -> None:
        self.heard.put_nowait(parse_message(data))

    @property
    def address(self) -> str:
        host, port = self.transport.get_extra_info("sockname")
        return f"{host}:{port}"

    async def final(self) -> Response:
        while True:
            message = await asyncio.wait_for(self.heard.get(), DEADLINE_S)
            if isinstance(message, Response) and message.status >= 200:
                return message

    async def invited(self) -> Request:
        message = await asyncio.wait_for(self.heard.get(), DEADLINE_S)
        assert isinstance(message, Request)
        return message


class Place:
    """A running exchange, the phone of 1002 with a fixed contact, and who may call it."""

    def __init__(self, exchange: Exchange, stack: AsyncExitStack) -> None:
        self.exchange = exchange
        self._stack = stack
        self._calls = 0

    async def socket(self, host: str) -> Socket:
        loop = asyncio.get_running_loop()
        transport, socket = await loop.create_datagram_endpoint(Socket, (host, 0))
        self._stack.callback(transport.close)
        return socket

    def invite(self, caller: Socket, extra: str = "") -> None:
        """Call 1002 without a password."""
        self._calls += 1
        draft = Draft(
            "INVITE",
            "sip:1002@pbx.test",
            "<sip:+4930111@carrier.test>;tag=1",
            "<sip:1002@pbx.test>",
            f"call-{self._calls}",
            1,
            contact=f"<sip:{caller.address}>",
            extra=extra,
            body=OFFER,
        )
        via = f"SIP/2.0/UDP {caller.address};branch=z9hG4bKp{self._calls}"
        port = int(self.exchange.net.listeners[0].address.rpartition(":")[2])
        caller.transport.sendto(draft.render(via), ("127.0.0.1", port))


def settings_of(**more: Any) -> Settings:
    base = {"domain": "pbx.test", "sip": {"listen": ["udp:127.0.0.1:0"]}, "metrics": {"listen": "off"}}
    return complete(Settings.model_validate(base | more), host_addresses())


@asynccontextmanager
async def open_place(folder: Path, settings: Settings) -> AsyncIterator[tuple[Place, Socket]]:
    async with AsyncExitStack() as stack:
        store = stack.enter_context(Store.open(folder / "data"))
        exchange = Exchange(settings, store, folder / "data")
        await exchange.start()
        stack.push_async_callback(exchange.stop, 0)
        place = Place(exchange, stack)
        phone = await place.socket("127.0.0.1")
        handlers = ExchangeHandlers(store, "pbx.test", exchange, {})
        added = AddExtension(number="1002", password="secret of 1002", contact=f"sip:1002@{phone.address}")
        await handlers.handle(added)
        yield place, phone


def carrier(**more: Any) -> dict[str, Any]:
    return {"name": "carrier", "addresses": [CARRIER], "trusted": True, **more}


@pytest.mark.rule("T-34")
async def test_a_peer_calls_without_a_password_and_a_stranger_does_not(tmp_path: Path) -> None:
    async with open_place(tmp_path, settings_of(peers=[carrier()])) as (place, phone):
        peer, stranger = await place.socket(CARRIER), await place.socket(STRANGER)
        place.invite(stranger, ASSERTED)
        assert (await stranger.final()).status == 401
        place.invite(peer, ASSERTED)
        invite = await phone.invited()
        assert invite.headers["From"].startswith("<sip:+4930999@pbx.test>")
        assert "P-Asserted-Identity" not in invite.headers


@pytest.mark.rule("T-35")
async def test_a_reload_names_peers_anchors_and_keys_anew(tmp_path: Path) -> None:
    async with open_place(tmp_path, settings_of()) as (place, phone):
        peer = await place.socket(CARRIER)
        place.invite(peer)
        assert (await peer.final()).status == 401
        numbers = NumberAuthority(place.exchange.wall())
        key = numbers.issue("https://certs.test/a.pem", [code("1")])
        (tmp_path / "key.pem").write_bytes(key_pem(key))
        (tmp_path / "roots.pem").write_bytes(numbers.certificate.public_bytes(serialization.Encoding.PEM))
        stir = {
            "key": str(tmp_path / "key.pem"),
            "certificate_url": key.x5u,
            "anchors": str(tmp_path / "roots.pem"),
        }
        async with AsyncExitStack() as undo:
            new = settings_of(peers=[carrier(verify="require")], stir=stir)
            apply = await Peering(place.exchange).prepare(new, frozenset({"peers", "stir.key"}), undo)
            await apply()
        assert place.exchange.context.signer is not None
        place.invite(peer, ASSERTED)
        refused = await peer.final()
        assert (refused.status, refused.reason) == (428, "Use Identity Header")
        assert refused.headers["Reason"] == 'STIR;cause=428;text="Use Identity Header"'
        assert phone.heard.empty()
