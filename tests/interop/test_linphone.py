"""linphonec and baresip call each other through Trunkline, both ways, over UDP and over TCP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.interop.conftest import PASSWORD, NewPhone
from tests.peers.baresip import Account, Baresip, Transport
from tests.peers.exchange import DOMAIN, ExchangeProcess
from tests.peers.linphone import Linphone

pytestmark = pytest.mark.asyncio(loop_scope="module")

LINPHONE_HZ, BARESIP_HZ = 600.0, 1100.0
LOUD_DBFS = -20.0

Pair = tuple[Linphone, Baresip]


@pytest.fixture(params=["udp", "tcp"])
def transport(request: pytest.FixtureRequest) -> Transport:
    chosen: Transport = request.param
    return chosen


@pytest_asyncio.fixture(loop_scope="module")
async def phones(
    exchange: ExchangeProcess,
    unused_numbers: Iterator[str],
    new_phone: NewPhone,
    tmp_path: Path,
    transport: Transport,
) -> AsyncIterator[Pair]:
    """A linphone and a baresip, registered."""
    account = Account(next(unused_numbers), PASSWORD, DOMAIN, exchange.address, transport)
    baresip = await new_phone(BARESIP_HZ, "udp")
    async with Linphone(tmp_path, account, LINPHONE_HZ) as linphone:
        await linphone.registered()
        yield linphone, baresip


async def _both_hear(linphone: Linphone, baresip: Baresip) -> None:
    await baresip.hears(LINPHONE_HZ, LOUD_DBFS)
    await linphone.hears(BARESIP_HZ, LOUD_DBFS)


async def _linphone_calls(linphone: Linphone, baresip: Baresip) -> None:
    linphone.command(f"call sip:{baresip.account.user}@{DOMAIN}")
    await baresip.event("CALL_INCOMING")
    await baresip.accept()
    await baresip.event("CALL_ESTABLISHED")
    await linphone.said("connected")


async def _baresip_calls(linphone: Linphone, baresip: Baresip) -> None:
    await baresip.dial(linphone.account.user)
    await linphone.said("new incoming call")
    linphone.command("answer")
    await baresip.event("CALL_ESTABLISHED")
    await linphone.said("connected")


async def test_linphone_calls_holds_presses_a_digit_and_hangs_up(phones: Pair) -> None:
    linphone, baresip = phones
    await _linphone_calls(linphone, baresip)
    await _both_hear(linphone, baresip)
    linphone.command("pause")
    # It goes on sending (its file is its music on hold) and hears nothing: its recording stands still.
    await linphone.hears_nothing_new()
    await baresip.hears(LINPHONE_HZ, LOUD_DBFS)
    linphone.command("resume")
    await _both_hear(linphone, baresip)
    linphone.command("5")
    assert (await baresip.event("CALL_DTMF_START"))["param"] == "5"
    linphone.command("terminate")
    await baresip.event("CALL_CLOSED")


async def test_baresip_calls_holds_presses_a_digit_and_hangs_up(phones: Pair) -> None:
    linphone, baresip = phones
    await _baresip_calls(linphone, baresip)
    await _both_hear(linphone, baresip)
    await baresip.hold()
    await linphone.hears_nothing_of(BARESIP_HZ)
    await baresip.hears_nothing_of(LINPHONE_HZ)
    await baresip.resume()
    await _both_hear(linphone, baresip)
    await baresip.send_digits("7")
    await linphone.said("Receiving tone 7")
    await baresip.hangup()
    await linphone.said("ended")


async def test_each_is_told_when_the_other_declines(phones: Pair) -> None:
    linphone, baresip = phones
    linphone.command(f"call sip:{baresip.account.user}@{DOMAIN}")
    await baresip.event("CALL_INCOMING")
    await baresip.hangup()
    await baresip.event("CALL_CLOSED")
    await linphone.said("error")
    await baresip.dial(linphone.account.user)
    await linphone.said("new incoming call")
    linphone.command("terminate")
    closed = await baresip.event("CALL_CLOSED", within=60)
    assert closed["param"].startswith(("603", "486")), closed
