"""A Trunkline that registers at another one as its extension: calls both ways, a crash, and a clean end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.interop.conftest import PASSWORD
from tests.peers.exchange import DOMAIN, ExchangeProcess, Extension
from tests.peers.sipp import Sipp, both_succeed

pytestmark = pytest.mark.asyncio
USER, SECRET, CALLER = "500", "green-tea-and-rain-5", "601"


def trunk(to: ExchangeProcess) -> str:
    """A trunk to another exchange over TCP that asks for less time than is granted there, and rings 302."""
    return (
        f'[[trunks]]\nname = "upstairs"\nhost = "{to.address}"\ntransport = "tcp"\nfrom_domain = "{DOMAIN}"\n'
        f'username = "{USER}"\npassword = "{SECRET}"\nregisters = true\nexpires_s = 60\n'
        'prefixes = ["0"]\nstrip = 1\ninbound = "302"\n'
    )


async def contact(at: ExchangeProcess) -> str:
    """The one contact that an exchange has of the other one, once it has it."""
    async with asyncio.timeout(60):
        while not (known := await at.ask("registrations", "--number", USER)):
            pass
    (binding,) = known
    assert binding["expires_s"] > 60  # RFC 3261 §10.2.8: asked again after a 423
    return str(binding["contact"])


async def challenges(at: ExchangeProcess) -> float:
    """How many REGISTERs an exchange has challenged."""
    return (await at.metrics())['trunkline_register_requests_total{outcome="challenged"}']


async def registered(exchange: ExchangeProcess) -> None:
    async with asyncio.timeout(60):
        while [row["state"] for row in await exchange.ask("trunks")] != ["registered"]:
            pass


def caller(folder: Path, at: ExchangeProcess, user: str, number: str) -> Sipp:
    return Sipp(
        folder,
        "call_and_hang_up",
        remote=at.address,
        service=number,
        user=user,
        password=PASSWORD,
        keys={"caller": user, "domain": DOMAIN},
    )


@pytest.mark.rule("T-30")
@pytest.mark.rule("T-32")
@pytest.mark.rfc("3261", "10.2")
@pytest.mark.rfc("3261", "10.2.8")
@pytest.mark.rfc("5626", "4.2.1")
@pytest.mark.rfc("7616", "3.3")
async def test_one_registers_at_the_other_calls_is_called_and_is_the_same_after_a_crash(
    tmp_path: Path,
) -> None:
    async with Sipp(tmp_path / "up", "answer") as phone_upstairs, Sipp(tmp_path, "answer") as phone:
        upstairs = ExchangeProcess(
            tmp_path / "upstairs",
            [
                Extension(USER, SECRET),
                Extension(CALLER, PASSWORD),
                Extension("602", contact=phone_upstairs.uri),
            ],
            more="[sip.registration]\nmin_expires_s = 90\ndefault_expires_s = 600\n",
        )
        async with upstairs:
            ours = [Extension("301", PASSWORD), Extension("302", contact=phone.uri)]
            async with ExchangeProcess(tmp_path, ours, more=trunk(upstairs)) as exchange:
                await registered(exchange)
                before = await contact(upstairs)
                await exchange.crash_and_restart()
                await registered(exchange)
                assert await contact(upstairs) == before
                async with caller(tmp_path, exchange, "301", "0602") as calling:
                    await both_succeed(calling, phone_upstairs, 20)
                async with caller(tmp_path / "in", upstairs, CALLER, USER) as calling:
                    _, rang = await both_succeed(calling, phone, 20)
                assert CALLER in rang.messages
                await upstairs.no_calls()
                await exchange.no_calls()
                before_the_end = await challenges(upstairs)
            # RFC 7616 §3.3: the un-REGISTER used the nonce that was known.
            assert await challenges(upstairs) == before_the_end
            assert await upstairs.ask("registrations", "--number", USER) == []
