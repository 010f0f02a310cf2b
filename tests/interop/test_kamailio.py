"""Kamailio as a registrar that we register to, and as a record-routing proxy between phones and us."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.interop.conftest import PASSWORD
from tests.peers.baresip import Account, Baresip
from tests.peers.exchange import DOMAIN, ExchangeProcess, Extension
from tests.peers.kamailio import Kamailio
from tests.peers.sipp import Sipp, both_succeed

pytestmark = pytest.mark.asyncio
USER, SECRET = "49301", "green-tea-and-rain-5"


def trunk(kamailio: Kamailio, transport: str) -> str:
    """The settings of a trunk that registers, takes numbers that begin with 0, and rings 302."""
    return (
        f'[[trunks]]\nname = "carrier"\nhost = "{kamailio.address}"\ntransport = "{transport}"\n'
        f'username = "{USER}"\npassword = "{SECRET}"\nregisters = true\nexpires_s = 60\n'
        'prefixes = ["0"]\nstrip = 1\ninbound = "302"\n'
    )


async def registered(exchange: ExchangeProcess, within: float = 60.0) -> None:
    async with asyncio.timeout(within):
        while [row["state"] for row in await exchange.ask("trunks")] != ["registered"]:
            pass


@pytest.mark.rule("T-30")
@pytest.mark.rule("T-32")
@pytest.mark.rfc("3261", "10.2")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_trunk_registers_calls_out_is_called_and_leaves_no_contact(
    tmp_path: Path, transport: str
) -> None:
    async with (
        Sipp(tmp_path, "answer") as carrier_phone,
        Sipp(tmp_path / "in", "answer") as our_phone,
        Kamailio.registrar(tmp_path, USER, SECRET, f"sip:127.0.0.1:{carrier_phone.port}") as kamailio,
    ):
        extensions = [Extension("301", PASSWORD), Extension("302", contact=our_phone.uri)]
        more = trunk(kamailio, transport)
        async with ExchangeProcess(tmp_path, extensions, more=more) as exchange:
            await registered(exchange)
            assert await kamailio.knows(USER)
            caller = Sipp(
                tmp_path,
                "call_and_hang_up",
                remote=exchange.address,
                service="0555",
                user="301",
                password=PASSWORD,
                keys={"caller": "301", "domain": DOMAIN},
            )
            async with caller:
                _, answered = await both_succeed(caller, carrier_phone, 20)
            assert "INVITE sip:555@" in answered.messages
            assert SECRET not in exchange.log()
            stranger = Sipp(
                tmp_path,
                "call_without_password",
                remote=kamailio.address,
                service=USER,
                keys={"caller": "0170555", "domain": "elsewhere.test"},
            )
            async with stranger:
                _, rang = await both_succeed(stranger, our_phone, 20)
            assert "0170555" in rang.messages
            await exchange.no_calls()
        assert not await kamailio.knows(USER)


@dataclass(frozen=True)
class Office:
    """An exchange, a proxy in front of it that connects over TCP, a phone behind that and another without it."""

    exchange: ExchangeProcess
    proxy: Kamailio
    behind: Baresip
    direct: Baresip

    async def call(self, caller: Baresip, callee: Baresip) -> None:
        await caller.dial(callee.account.user)
        await callee.event("CALL_INCOMING")
        await callee.accept()
        await caller.event("CALL_ESTABLISHED")
        await callee.event("CALL_ESTABLISHED")

    async def both_hear(self) -> None:
        await self.behind.hears(self.direct.tone_hz)
        await self.direct.hears(self.behind.tone_hz)

    async def hang_up(self, who: Baresip) -> None:
        await who.hangup()
        await (self.direct if who is self.behind else self.behind).event("CALL_CLOSED")
        await self.exchange.no_calls()


@pytest_asyncio.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with (
        ExchangeProcess(tmp_path, [Extension("301", PASSWORD), Extension("302", PASSWORD)]) as exchange,
        Kamailio.proxy(tmp_path, f"sip:{exchange.address};transport=tcp") as proxy,
        Baresip(tmp_path, Account("301", PASSWORD, DOMAIN, proxy.address), tone_hz=700.0) as behind,
        Baresip(tmp_path, Account("302", PASSWORD, DOMAIN, exchange.address), tone_hz=1200.0) as direct,
    ):
        await behind.registered()
        await direct.registered()
        yield Office(exchange, proxy, behind, direct)


@pytest.mark.rule("T-30")
@pytest.mark.rule("T-15")
@pytest.mark.rfc("3327", "5.3")
@pytest.mark.rfc("3261", "12.1.1")
async def test_a_phone_behind_a_record_routing_proxy_is_called_and_calls_both_ways(office: Office) -> None:
    for caller, callee in ((office.direct, office.behind), (office.behind, office.direct)):
        await office.call(caller, callee)
        await office.both_hear()
        for holder in (caller, callee):
            await holder.hold()
            await callee.hears_nothing_of(caller.tone_hz)
            await holder.resume()
            await office.both_hear()
        byes = office.proxy.passed_by_route("BYE")
        await office.hang_up(callee)
        assert office.proxy.passed_by_route("BYE") == byes + 1
    # The call to the phone came by its Path, and each re-INVITE by the route set of its dialog.
    assert office.proxy.passed_by_route("INVITE") >= 1 + 2 * 4


@pytest.mark.rule("T-27")
@pytest.mark.rule("T-30")
@pytest.mark.rfc("3327", "5.3")
@pytest.mark.rfc("3261", "12.2.1.1")
async def test_a_lost_connection_to_the_proxy_ends_no_call_and_no_registration(office: Office) -> None:
    await office.call(office.direct, office.behind)
    await office.proxy.restart()
    await office.hang_up(office.direct)
    await office.call(office.direct, office.behind)
    await office.proxy.restart()
    await office.hang_up(office.behind)
    assert len(await office.exchange.ask("registrations")) == 2
