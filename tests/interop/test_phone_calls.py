"""Two real phones call each other through Trunkline and hear each other, over UDP and over TCP."""

from __future__ import annotations

import pytest
import pytest_asyncio

from tests.interop.conftest import NewPhone
from tests.peers.baresip import Baresip, Transport
from tests.peers.exchange import ExchangeProcess
from tests.peers.tones import tone_level_dbfs

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALLER_HZ, CALLEE_HZ = 700.0, 1200.0
ABSENT_DBFS = -50.0

Pair = tuple[Baresip, Baresip]


@pytest.fixture
def transport(request: pytest.FixtureRequest) -> Transport:
    """UDP, unless a test asks for both."""
    chosen: Transport = getattr(request, "param", "udp")
    return chosen


over_both = pytest.mark.parametrize("transport", ["udp", "tcp"], indirect=True)


@pytest_asyncio.fixture(loop_scope="module")
async def phones(new_phone: NewPhone, transport: Transport) -> Pair:
    """Caller and callee, registered."""
    return await new_phone(CALLER_HZ, transport), await new_phone(CALLEE_HZ, transport)


@pytest_asyncio.fixture(loop_scope="module")
async def call(phones: Pair) -> Pair:
    """Caller and callee in a call, each hearing the other."""
    caller, callee = phones
    await caller.dial(callee.account.user)
    await callee.event("CALL_INCOMING")
    await callee.accept()
    await caller.event("CALL_ESTABLISHED")
    await callee.event("CALL_ESTABLISHED")
    await _both_hear(caller, callee)
    return caller, callee


async def _both_hear(caller: Baresip, callee: Baresip) -> None:
    await caller.hears(CALLEE_HZ)
    await callee.hears(CALLER_HZ)


@over_both
async def test_each_hears_the_other_at_the_level_it_was_played(call: Pair) -> None:
    caller, callee = call
    await caller.hears_at(CALLEE_HZ)
    await callee.hears_at(CALLER_HZ)
    assert tone_level_dbfs(caller.heard(0.5), CALLER_HZ) < ABSENT_DBFS
    assert tone_level_dbfs(callee.heard(0.5), CALLEE_HZ) < ABSENT_DBFS


async def test_the_caller_is_told_that_it_rings(phones: Pair) -> None:
    caller, callee = phones
    await caller.dial(callee.account.user)
    await caller.event("CALL_RINGING")
    incoming = await callee.event("CALL_INCOMING")
    assert f"sip:{caller.account.user}@" in incoming["peeruri"]


@pytest.mark.parametrize("holder", [0, 1], ids=["caller", "callee"])
async def test_hold_silences_both_and_resume_restores_both(call: Pair, holder: int) -> None:
    caller, callee = call
    await call[holder].hold()
    await caller.hears_nothing_of(CALLEE_HZ)
    await callee.hears_nothing_of(CALLER_HZ)
    await call[holder].resume()
    await _both_hear(caller, callee)


async def test_hold_by_both_in_turn_is_resumed_by_both(call: Pair) -> None:
    caller, callee = call
    for phone in call:
        await phone.hold()
        await caller.hears_nothing_of(CALLEE_HZ)
    for phone in call:
        await phone.resume()
    await _both_hear(caller, callee)


@over_both
@pytest.mark.parametrize("ender", [0, 1], ids=["caller", "callee"])
async def test_either_side_hangs_up(call: Pair, ender: int, exchange: ExchangeProcess) -> None:
    await call[ender].hangup()
    await call[1 - ender].event("CALL_CLOSED")
    await exchange.no_calls()


@pytest.mark.parametrize("sender", [0, 1], ids=["caller", "callee"])
async def test_digits_pass_through_in_order(call: Pair, sender: int) -> None:
    await call[sender].send_digits("159#")
    for digit in "159#":
        await call[1 - sender].event("CALL_DTMF_START", param=digit)
        await call[1 - sender].event("CALL_DTMF_END")


async def test_a_caller_who_gives_up_stops_the_ringing(phones: Pair, exchange: ExchangeProcess) -> None:
    caller, callee = phones
    await caller.dial(callee.account.user)
    await callee.event("CALL_INCOMING")
    await caller.event("CALL_RINGING")
    await caller.hangup()
    await callee.event("CALL_CLOSED")
    await exchange.no_calls()


async def test_a_second_call_follows_the_first(call: Pair) -> None:
    caller, callee = call
    await caller.hangup()
    await callee.event("CALL_CLOSED")
    for phone in call:
        phone.control.forget()
    await callee.dial(caller.account.user)
    await caller.event("CALL_INCOMING")
    await caller.accept()
    await callee.event("CALL_ESTABLISHED")
    await _both_hear(caller, callee)


async def test_a_udp_phone_and_a_tcp_phone_talk(new_phone: NewPhone) -> None:
    caller, callee = await new_phone(CALLER_HZ, "udp"), await new_phone(CALLEE_HZ, "tcp")
    await caller.dial(callee.account.user)
    await callee.event("CALL_INCOMING")
    await callee.accept()
    await caller.event("CALL_ESTABLISHED")
    await _both_hear(caller, callee)
    await callee.hangup()
    await caller.event("CALL_CLOSED")


async def test_the_call_is_shown_while_it_is_up_and_recorded_afterwards(
    call: Pair, exchange: ExchangeProcess
) -> None:
    caller, callee = call
    numbers = {caller.account.user, callee.account.user}
    shown = await exchange.run("calls")
    assert all(number in shown for number in numbers), shown
    await caller.hangup()
    await exchange.no_calls()
    recorded = await exchange.run("records")
    assert all(number in recorded for number in numbers), recorded
