"""A call to a domain through a whole exchange: its name server, a dead server, a living one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.link.phones import describe
from tests.loopback.net.kit import dead_port
from tests.loopback.socket_parties import DEADLINE_S, socket_party
from tests.peers.name_server import NameServer, name_server
from trunkline.app.addresses import host_addresses
from trunkline.app.exchange import Exchange
from trunkline.app.handlers import ExchangeHandlers
from trunkline.app.settings import Settings
from trunkline.app.settings.file import complete
from trunkline.base.messages import AddExtension
from trunkline.proto.sip.digest_client import Account
from trunkline.store import Store

PASSWORD = "a secret of the test"
SDP = describe("127.0.0.1")


@asynccontextmanager
async def running(server: NameServer, tmp_path: Path, contact: str) -> AsyncIterator[Exchange]:
    """An exchange with extension 1001, and 1002 at a fixed contact."""
    host, port = server.address
    raw: dict[str, Any] = {
        "domain": "pbx.test",
        "sip": {"listen": ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]},
        "dns": {"servers": [f"{host}:{port}"], "question_timeout_s": 1.0},
        "metrics": {"listen": "off"},
    }
    with Store.open(tmp_path / "data") as store:
        settings = complete(Settings.model_validate(raw), host_addresses())
        exchange = Exchange(settings, store, tmp_path / "data")
        await exchange.start()
        try:
            handlers = ExchangeHandlers(store, "pbx.test", exchange, {})
            await handlers.handle(AddExtension(number="1001", password=PASSWORD))
            await handlers.handle(AddExtension(number="1002", contact=contact))
            yield exchange
        finally:
            await exchange.stop(0)


@pytest.mark.rule("T-31")
@pytest.mark.rfc("3263", "4.3")
async def test_a_call_to_a_domain_reaches_the_server_that_lives(tmp_path: Path) -> None:
    dead = dead_port()
    async with (
        socket_party("udp:127.0.0.1:0") as bob,
        socket_party("udp:127.0.0.1:0", account=Account("1001", PASSWORD)) as alice,
        name_server(
            {
                "carrier.test": ['NAPTR 10 10 "s" "SIP+D2U" "" _sip._udp.carrier.test.'],
                "_sip._udp.carrier.test": [
                    f"SRV 10 0 {dead} one.carrier.test.",
                    f"SRV 20 0 {bob.port} two.carrier.test.",
                ],
                "one.carrier.test": ["A 127.0.0.1"],
                "two.carrier.test": ["A 127.0.0.1"],
            }
        ) as server,
        running(server, tmp_path, "sip:desk@carrier.test") as exchange,
    ):
        for again in (False, True):
            alice.said.clear()
            bob.said.clear()
            alice.dial("sip:1002@pbx.test", exchange.net.listeners[0].port, SDP)
            await alice.until("answered", DEADLINE_S)
            await bob.until("acknowledged", DEADLINE_S)
            (call,) = exchange.calls.active.values()
            alice.dialogue.hang_up()
            await bob.until("ended bye", DEADLINE_S)
            await alice.until("ended hangup", DEADLINE_S)
            codes = [step.code for step in call.story.steps if step.code.startswith("route.")]
            on_way = codes[codes.index("route.located") + 1 :]
            assert on_way == ([] if again else ["route.hop_failed", "route.next_hop"]), "it is asked last now"
        assert server.count("carrier.test NAPTR") == 1
        assert bob.invites[0].uri == "sip:desk@carrier.test"


async def test_a_call_to_localhost_needs_no_name_server(tmp_path: Path) -> None:
    async with (
        socket_party("udp:127.0.0.1:0") as bob,
        socket_party("udp:127.0.0.1:0", account=Account("1001", PASSWORD)) as alice,
        name_server({}) as server,
        running(server, tmp_path, f"sip:bob@localhost:{bob.port}") as exchange,
    ):
        alice.dial("sip:1002@pbx.test", exchange.net.listeners[0].port, SDP)
        await alice.until("answered", DEADLINE_S)
        await bob.until("acknowledged", DEADLINE_S)
        alice.dialogue.hang_up()
        await bob.until("ended bye", DEADLINE_S)
        assert server.asked == []


async def test_a_domain_that_does_not_exist_fails_the_call_with_its_reason(tmp_path: Path) -> None:
    async with (
        socket_party("udp:127.0.0.1:0", account=Account("1001", PASSWORD)) as alice,
        name_server({}) as server,
        running(server, tmp_path, "sip:desk@missing.test") as exchange,
    ):
        alice.dial("sip:1002@pbx.test", exchange.net.listeners[0].port, SDP)
        await alice.until("failed 480", DEADLINE_S)
        assert "missing.test A" in {each.partition(" ")[2] for each in server.asked}
