"""Kamailio as a registrar that we register to, and as a record-routing proxy between phones and us."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.interop.conftest import PASSWORD
from tests.peers.baresip import Account, Baresip
from tests.peers.exchange import DOMAIN, ECHO_NUMBER, ExchangeProcess, Extension
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


async def registered(exchange: ExchangeProcess, within: float = 10.0) -> None:
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


@pytest.mark.rule("T-30")
@pytest.mark.rule("T-15")
@pytest.mark.rfc("3327", "5.3")
@pytest.mark.rfc("3261", "12.1.1")
async def test_a_phone_behind_a_record_routing_proxy_registers_calls_holds_and_either_side_hangs_up(
    tmp_path: Path,
) -> None:
    async with (
        ExchangeProcess(tmp_path, [Extension("301", PASSWORD)]) as exchange,
        Kamailio.proxy(tmp_path, f"sip:{exchange.address}") as proxy,
        Baresip(tmp_path, Account("301", PASSWORD, DOMAIN, proxy.address)) as phone,
    ):
        await phone.registered()
        for who_hangs_up in ("phone", "exchange"):
            await phone.dial(ECHO_NUMBER)
            await phone.event("CALL_ESTABLISHED")
            await phone.hold()
            await phone.resume()
            (call,) = await exchange.ask("calls")
            if who_hangs_up == "phone":
                await phone.hangup()
            else:
                await exchange.run("hangup", call["call"])
                await phone.event("CALL_CLOSED")
            await exchange.no_calls()
