"""The exchange dies without a word and is started again: phones need not notice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import pytest_asyncio

from tests.interop.conftest import NewPhone
from tests.peers.baresip import Baresip, Transport
from tests.peers.exchange import ExchangeProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALLER_HZ, CALLEE_HZ = 700.0, 1200.0

Pair = tuple[Baresip, Baresip]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_phone_that_registered_before_a_crash_is_called_after_it(
    new_phone: NewPhone, exchange: ExchangeProcess, transport: Transport
) -> None:
    caller, callee = await new_phone(700), await new_phone(1200, transport=transport)
    await exchange.crash_and_restart()
    rows = await exchange.ask("registrations")
    assert callee.account.user in {row["number"] for row in rows}
    await caller.dial(callee.account.user)
    await callee.event("CALL_INCOMING")
    await callee.accept()
    await caller.event("CALL_ESTABLISHED")
    await callee.hears(700)
    await caller.hears(1200)
    await caller.hangup()
    await callee.event("CALL_CLOSED")
    await exchange.no_calls()


@pytest_asyncio.fixture(loop_scope="module")
async def call(request: pytest.FixtureRequest, new_phone: NewPhone, exchange: ExchangeProcess) -> Pair:
    """Caller and callee in a call that has been written down, each hearing the other; by UDP unless asked."""
    await exchange.has_kept_calls(0)  # that of the test before goes a moment after the call itself
    transport: Transport = getattr(request, "param", "udp")
    caller = await new_phone(CALLER_HZ, transport)
    callee = await new_phone(CALLEE_HZ, transport)
    await caller.dial(callee.account.user)
    await callee.event("CALL_INCOMING")
    await callee.accept()
    await caller.event("CALL_ESTABLISHED")
    await callee.event("CALL_ESTABLISHED")
    await _both_hear(caller, callee)
    await exchange.has_kept_calls(1)
    return caller, callee


async def _both_hear(caller: Baresip, callee: Baresip) -> None:
    await caller.hears(CALLEE_HZ)
    await callee.hears(CALLER_HZ)


@pytest.mark.rfc("3261", "12.2.1.1")
@pytest.mark.parametrize(
    ("call", "ender"), [("udp", 0), ("tcp", 1)], ids=["udp-caller", "tcp-callee"], indirect=["call"]
)
async def test_a_call_survives_a_crash_and_ends_in_good_order(
    call: Pair, exchange: ExchangeProcess, ender: int
) -> None:
    caller, callee = call
    (shown,) = await exchange.ask("calls")
    await exchange.crash_and_restart()
    assert [row["call"] for row in await exchange.ask("calls")] == [shown["call"]]
    await _both_hear(caller, callee)
    await call[ender].hangup()
    await call[1 - ender].event("CALL_CLOSED")
    await exchange.no_calls()
    await exchange.has_kept_calls(0)
    records = {row["direction"]: row for row in await exchange.ask("records") if row["call"] == shown["call"]}
    for record in records.values():
        assert (record["status"], record["code"]) == (200, "call.hangup")
        assert record["ended_by"] == ("caller", "callee")[ender]
        assert record["started_at"] <= record["answered_at"] < record["ended_at"]
    codes = [step["code"] for step in records["in"]["story"]]
    assert codes.index("call.answered") < codes.index("call.restored") < codes.index("call.ended")


async def test_a_call_is_held_and_resumed_by_either_after_a_crash(
    call: Pair, exchange: ExchangeProcess
) -> None:
    caller, callee = call
    await exchange.crash_and_restart()
    await _both_hear(caller, callee)
    for holder in call:
        await holder.hold()
        await caller.hears_nothing_of(CALLEE_HZ)
        await callee.hears_nothing_of(CALLER_HZ)
        await holder.resume()
        await _both_hear(caller, callee)
    await caller.hangup()
    await callee.event("CALL_CLOSED")
    await exchange.no_calls()


async def test_a_party_may_hang_up_while_the_exchange_is_down(call: Pair, exchange: ExchangeProcess) -> None:
    caller, callee = call
    await exchange.crash()
    await caller.hangup()
    await exchange.restart()
    await callee.event("CALL_CLOSED")
    await exchange.no_calls()


@pytest.fixture
def soon(exchange: ExchangeProcess) -> Iterator[None]:
    """The next process ends a call after a second of silence, the one after it after two minutes again."""
    before = exchange.settings.read_text()
    exchange.settings.write_text(before.replace("[media]\n", "[media]\ninactivity_s = 1.0\n"))
    yield
    exchange.settings.write_text(before)


@pytest.mark.usefixtures("soon")
async def test_a_call_whose_phones_are_both_gone_ends_for_want_of_media(
    call: Pair, exchange: ExchangeProcess
) -> None:
    (shown,) = await exchange.ask("calls")
    await exchange.crash()
    for phone in call:
        await phone.stop()
    await exchange.restart()
    await exchange.no_calls(within=60)
    await exchange.has_kept_calls(0)
    records = {row["direction"]: row for row in await exchange.ask("records") if row["call"] == shown["call"]}
    assert [(row["status"], row["code"]) for row in records.values()] == [(200, "call.media_timeout")] * 2
    assert [step["code"] for step in records["in"]["story"]][-4:] == [
        "call.restored",
        "media.silent",
        "media.silent",
        "call.media_timeout",
    ]


async def test_a_call_survives_two_crashes_in_a_row(call: Pair, exchange: ExchangeProcess) -> None:
    caller, callee = call
    await exchange.crash_and_restart()
    await exchange.crash_and_restart()
    await _both_hear(caller, callee)
    await callee.hangup()
    await caller.event("CALL_CLOSED")
    await exchange.no_calls()


async def test_a_call_that_rang_when_the_exchange_died_is_on_record(
    new_phone: NewPhone, exchange: ExchangeProcess
) -> None:
    await exchange.has_kept_calls(0)
    caller, callee = await new_phone(CALLER_HZ), await new_phone(CALLEE_HZ)
    await caller.dial(callee.account.user)
    await callee.event("CALL_INCOMING")
    await exchange.has_kept_calls(1)
    (shown,) = await exchange.ask("calls")
    await exchange.crash_and_restart()
    await exchange.has_kept_calls(0)
    assert await exchange.ask("calls") == []
    records = [row for row in await exchange.ask("records") if row["call"] == shown["call"]]
    assert [(row["status"], row["code"]) for row in records] == [(480, "call.lost_in_crash")] * 2
