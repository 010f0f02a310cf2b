"""Trunkline's phone: beside the exchange on one machine, with its own kind and with baresip."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from tests.interop.conftest import PASSWORD, NewPhone
from tests.peers.exchange import DOMAIN, ECHO_NUMBER, TONE_NUMBER, ExchangeProcess, Extension
from tests.peers.softphone import Handset, handset
from trunkline.app.phone.conversation import Conversation
from trunkline.app.phone.outcome import PhoneExit, PhoneFailed
from trunkline.app.phone.tasks import Talk, answer, call

pytestmark = pytest.mark.asyncio(loop_scope="module")

NewHandset = Callable[..., Awaitable[Handset]]
TONE_HZ = 440.0


@pytest_asyncio.fixture(loop_scope="module")
async def new_handset(exchange: ExchangeProcess, unused_numbers: Iterator[str]) -> AsyncIterator[NewHandset]:
    """A phone of a number of its own: ``await new_handset("tcp", registered=False)``."""
    async with AsyncExitStack() as stack:

        async def start(transport: str = "udp", *, registered: bool = True) -> Handset:
            number = next(unused_numbers)
            one = await stack.enter_async_context(
                handset(number, PASSWORD, exchange.address, transport, DOMAIN)
            )
            if registered:
                await one.phone.register()
            return one

        yield start


async def talking(caller: Handset, callee: Handset) -> tuple[Conversation, Conversation]:
    """A call between two phones, answered."""
    going = await caller.phone.call(callee.phone.account.user)
    coming = await callee.rung()
    await coming.answer()
    await caller.event("answered")
    await callee.event("answered")
    return going, coming


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.rfc("3261", "10.2")
async def test_it_registers_and_takes_its_registration_off(
    exchange: ExchangeProcess, unused_numbers: Iterator[str], transport: str
) -> None:
    number = next(unused_numbers)
    async with handset(number, PASSWORD, exchange.address, transport, DOMAIN) as one:
        await one.phone.register()
        assert (await one.event("registered"))["expires_s"] > 0
        (row,) = await exchange.ask("registrations", "--number", number)
        assert row["transport"] == transport
    assert await exchange.ask("registrations", "--number", number) == []
    assert one.diary.log[-1][0] == "unregistered"


async def test_a_wrong_password_is_refused(exchange: ExchangeProcess, unused_numbers: Iterator[str]) -> None:
    async with handset(next(unused_numbers), "wrong", exchange.address, "udp", DOMAIN) as one:
        with pytest.raises(PhoneFailed, match="401") as failed:
            await one.phone.register()
    assert failed.value.code is PhoneExit.REFUSED


async def test_it_hears_its_own_echo(new_handset: NewHandset) -> None:
    one = await new_handset(registered=False)
    conversation = await one.phone.call(ECHO_NUMBER)
    assert (await one.event("answered"))["codec"] == "PCMU"
    await conversation.sound.tone(TONE_HZ)
    await one.talked(conversation)
    conversation.hang_up()
    ended = await one.event("ended")
    assert (ended["status"], ended["ended_by"], ended["lost"]) == (200, "us", 0)
    assert ended["packets_in"] >= 10
    assert ended["packets_out"] >= 10


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_two_of_them_talk_and_press_keys(new_handset: NewHandset, transport: str) -> None:
    caller, callee = await new_handset(transport), await new_handset()
    going, coming = await talking(caller, callee)
    assert (await caller.event("ringing"))["status"] == 180
    assert coming.number == caller.phone.account.user
    await caller.talked(going)
    await callee.talked(coming)
    await going.dtmf("7#")
    assert [await callee.event("dtmf") for _ in "7#"] == [{"digit": digit, "by": "rtp"} for digit in "7#"]
    coming.hang_up()
    assert (await caller.event("ended"))["ended_by"] == "peer"
    assert (await callee.event("ended"))["ended_by"] == "us"


async def test_keys_go_by_info_where_telephone_events_were_not_agreed(new_handset: NewHandset) -> None:
    caller, callee = await new_handset(), await new_handset()
    going, _ = await talking(caller, callee)
    assert going.sound.agreed is not None
    going.sound.agreed = going.sound.agreed._replace(telephone_event=None)
    await going.dtmf("7")
    assert await callee.event("dtmf") == {"digit": "7", "by": "rtp"}, "the exchange translates them"
    assert await caller.event("dtmf_sent") == {"digit": "7", "by": "info"}
    going.hang_up()
    await caller.event("ended")


@pytest.mark.rfc("4733", "2.5.1.4")
async def test_baresip_hears_its_keys(new_handset: NewHandset, new_phone: NewPhone) -> None:
    ours, theirs = await new_handset(), await new_phone(tone_hz=700.0)
    conversation = await ours.phone.call(theirs.account.user)
    await theirs.event("CALL_INCOMING")
    await theirs.accept()
    await ours.event("answered")
    await conversation.sound.tone(1200.0)
    await conversation.dtmf("15#1")
    for digit in "15#1":
        assert (await ours.event("dtmf_sent")) == {"digit": digit, "by": "rtp"}
        await theirs.event("CALL_DTMF_START", param=digit)
        await theirs.event("CALL_DTMF_END")
    await theirs.hears(1200.0)
    conversation.hang_up()
    await theirs.event("CALL_CLOSED")


@pytest.mark.rfc("3264", "8.4")
async def test_hold_is_noticed_and_resumed(new_handset: NewHandset) -> None:
    caller, callee = await new_handset(), await new_handset()
    going, _ = await talking(caller, callee)
    assert await going.hold(hold=True)
    assert (await callee.event("held"))["by"] == "peer"
    assert await going.hold(hold=False)
    assert (await callee.event("resumed"))["by"] == "peer"
    going.hang_up()
    await caller.event("ended")


async def test_a_busy_callee_is_told_with_its_status(new_handset: NewHandset) -> None:
    caller, callee = await new_handset(), await new_handset()
    going = await caller.phone.call(callee.phone.account.user)
    (await callee.rung()).refuse(486)
    ended = await caller.event("ended")
    assert (ended["status"], ended["answered"]) == (486, False)
    assert going.outcome is not None
    assert going.outcome.exit_code is PhoneExit.REFUSED


async def test_a_caller_that_gives_up_ends_the_ringing(new_handset: NewHandset) -> None:
    caller, callee = await new_handset(), await new_handset()
    going = await caller.phone.call(callee.phone.account.user)
    await callee.rung()
    going.hang_up()
    assert (await caller.event("ended"))["status"] == 487
    assert (await callee.event("ended"))["ended_by"] == "peer"


async def test_nothing_is_left_of_a_phone_that_leaves_in_a_call(
    exchange: ExchangeProcess, new_handset: NewHandset, unused_numbers: Iterator[str]
) -> None:
    callee = await new_handset()
    async with handset(next(unused_numbers), PASSWORD, exchange.address, "udp", DOMAIN) as caller:
        await talking(caller, callee)
    assert (await callee.event("ended"))["ended_by"] == "peer"
    await exchange.no_calls()


async def test_a_server_that_is_not_there_is_told(unused_numbers: Iterator[str]) -> None:
    # TCP says at once that nobody listens; over UDP it takes a transaction's 32 s unless ICMP tells.
    async with handset(next(unused_numbers), PASSWORD, "127.0.0.1:9", "tcp", DOMAIN) as one:
        with pytest.raises(PhoneFailed, match="cannot be reached") as failed:
            await one.phone.register()
    assert failed.value.code is PhoneExit.UNREACHABLE


async def test_the_commands_call_and_answer_end_with_what_happened(new_handset: NewHandset) -> None:
    caller, callee = await new_handset(), await new_handset(registered=False)
    number = callee.phone.account.user
    assert await call(caller.phone, TONE_NUMBER, Talk(duration_s=0.2), 10) is PhoneExit.OK
    assert await call(caller.phone, "4711", Talk(), 10) is PhoneExit.REFUSED
    with pytest.raises(PhoneFailed, match="nobody called") as failed:
        await answer(callee.phone, Talk(), count=1, after_s=0, wait_s=0.01)
    assert failed.value.code is PhoneExit.NO_CALL
    # It is registered still: the next call is taken by whoever waits for it.
    going = await caller.phone.call(number)
    assert await answer(callee.phone, Talk(), count=1, after_s=0, wait_s=10, refuse=486) is PhoneExit.OK
    await going.over.wait()
    assert going.outcome is not None
    assert going.outcome.status in {480, 486}


@pytest.mark.parametrize("baresip_calls", [True, False], ids=["baresip calls", "baresip is called"])
async def test_it_talks_with_baresip(
    new_handset: NewHandset, new_phone: NewPhone, baresip_calls: bool
) -> None:
    ours, theirs = await new_handset(), await new_phone(tone_hz=700.0)
    if baresip_calls:
        await theirs.dial(ours.phone.account.user)
        conversation = await ours.rung()
        await conversation.answer()
    else:
        conversation = await ours.phone.call(theirs.account.user)
        await theirs.event("CALL_INCOMING")
        await theirs.accept()
    await theirs.event("CALL_ESTABLISHED")
    await ours.event("answered")
    await conversation.sound.tone(1200.0)
    await theirs.hears(1200.0)
    await ours.talked(conversation)
    conversation.hang_up()
    await theirs.event("CALL_CLOSED")
    assert (await ours.event("ended"))["packets_in"] >= 10


async def test_it_speaks_tls_to_a_server_that_it_trusts(tmp_path: Path) -> None:
    extension = Extension("301", PASSWORD)
    async with ExchangeProcess(tmp_path, [extension], listen=("tls",)) as exchange:
        server = f"127.0.0.1:{exchange.port('tls')}"
        async with handset("301", PASSWORD, server, "tls", DOMAIN) as stranger:
            with pytest.raises(PhoneFailed) as failed:
                await stranger.phone.register()
            assert failed.value.code is PhoneExit.UNREACHABLE
        for options in ({"ca": exchange.certificate}, {"verify": False}):
            async with handset("301", PASSWORD, server, "tls", DOMAIN, **options) as one:
                await one.phone.register()
                going = await one.phone.call(ECHO_NUMBER)
                await one.talked(going)
                going.hang_up()
                assert (await one.event("ended"))["answered"]
