"""What the media engine says and hears itself: echo, tones, keys, silence."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from tests.loopback.media.rtp_phone import Exchange, Phone, exchange, key_press, strength
from tests.loopback.media.sound import listen
from trunkline.base.errors import MediaError
from trunkline.media import commands as c
from trunkline.media.embedded import EmbeddedMediaEngine, MediaSettings
from trunkline.media.events import DtmfReceived, MediaEvent, PortInactive


@pytest.mark.parametrize("payload_type", [0, 8])
async def test_a_tone_has_frequency_level_and_an_unbroken_stream(payload_type: int) -> None:
    async with exchange() as at:
        alice = at.phone()
        await at.open("a")
        await at.do(alice.remote("a"), c.Tone("a", 1004.0, -13.0, payload_type))
        samples, headers = await listen(alice, 10)
        assert strength(samples, 1004.0) == pytest.approx(-13.0, abs=0.5)
        assert strength(samples, 1504.0) < -40
        assert {header[1] & 0x7F for header in headers} == {payload_type}
        assert [header[1] >> 7 for header in headers] == [1] + [0] * 9
        numbers = [int.from_bytes(header[2:4]) for header in headers]
        stamps = [int.from_bytes(header[4:8]) for header in headers]
        assert {(b - a) % 65_536 for a, b in itertools.pairwise(numbers)} == {1}
        assert {(b - a) % 2**32 for a, b in itertools.pairwise(stamps)} == {160}


async def test_a_limited_tone_ends_and_says_so() -> None:
    async with exchange() as at:
        alice = at.phone()
        await at.open("a")
        await at.do(alice.remote("a"), c.Tone("a", 440.0, duration_ms=100))
        assert (await at.event("tone_ended")).port == "a"
        await at.figures_when("a", lambda now: now.packets_out == 5)


async def test_a_tone_out_of_range_is_refused() -> None:
    async with exchange() as at:
        await at.open("a")
        for tone in (c.Tone("a", 5000.0), c.Tone("a", 440.0, 3.0), c.Tone("a", 440.0, payload_type=9)):
            with pytest.raises(MediaError) as refusal:
                await at.do(tone)
            assert refusal.value.code == "media.argument"


@pytest.mark.rfc("3550", "8.2")
async def test_echo_returns_the_payload_under_another_ssrc() -> None:
    async with exchange() as at:
        alice = at.phone(ssrc=0x1234)
        a = await at.open("a")
        await at.do(alice.remote("a"), c.Echo("a"))
        sources = set()
        for _ in range(5):
            said, heard = alice.speak(a), await alice.hear()
            assert (heard[:8], heard[12:]) == (said[:8], said[12:])
            sources.add(int.from_bytes(heard[8:12]))
        assert len(sources) == 1
        assert alice.ssrc not in sources


async def press(at: Exchange, phone: Phone, port: c.PortOpened, event: int, start: int) -> None:
    """Press a key for 100 ms, as phones do: an update every 20 ms, then three packets with the end bit."""
    for step in range(1, 8):
        phone.sequence += 1
        duration = min(step, 5) * 160
        packet = key_press(event, start, duration, end=step >= 5, sequence=phone.sequence, ssrc=phone.ssrc)
        phone.rtp.sendto(packet, (port.address, port.rtp_port))


@pytest.mark.rfc("4733", "2.5.1.4")
@pytest.mark.rule("T-22")
async def test_each_key_is_told_once_and_its_packets_pass() -> None:
    async with exchange() as at:
        alice, bob = at.phone(), at.phone()
        a, _ = await at.call(alice, bob)
        await at.do(alice.remote("a", dtmf_payload_type=101))
        for index, event in enumerate((1, 1, 11, 10)):
            await press(at, alice, a, event, 1000 + index * 2000)
        digits = [await at.event("dtmf") for _ in range(4)]
        assert digits == [DtmfReceived("call", "a", key, 100) for key in "11#*"]
        for _ in range(28):
            assert (await bob.hear())[1] == 101
        assert at.waiting_events("dtmf") == []


async def test_a_key_whose_release_was_lost_is_told_after_a_moment() -> None:
    async with exchange() as at:
        alice, bob = at.phone(), at.phone()
        a, _ = await at.call(alice, bob)
        await at.do(alice.remote("a", dtmf_payload_type=101))
        alice.rtp.sendto(key_press(5, 1000, 800, end=False, sequence=7), (a.address, a.rtp_port))
        assert await at.event("dtmf") == DtmfReceived("call", "a", "5", 100)


async def test_keys_are_not_looked_for_under_another_payload_type() -> None:
    async with exchange() as at:
        alice, bob = at.phone(), at.phone()
        a, _ = await at.call(alice, bob)
        await at.do(alice.remote("a", dtmf_payload_type=96))
        await press(at, alice, a, 5, 1000)
        await at.figures_when("a", lambda now: now.packets_in == 7)
        await at.do(alice.remote("a", dtmf_payload_type=101))
        await press(at, alice, a, 6, 9000)
        assert await at.event("dtmf") == DtmfReceived("call", "a", "6", 100)


async def test_silence_is_told_once_and_its_end_too() -> None:
    async with exchange(MediaSettings(inactivity_s=0.2)) as at:
        alice, bob = at.phone(), at.phone()
        a, _ = await at.call(alice, bob)
        assert alice.speak(a) == await bob.hear()
        silent = {(await at.event("inactive")).port for _ in "ab"}
        assert silent == {"a", "b"}
        alice.speak(a)
        assert (await at.event("active")).port == "a"
        again = await at.event("inactive")
        assert isinstance(again, PortInactive)
        assert again.port == "a"
        assert 0.2 <= again.silence_s < 5
        assert at.waiting_events("inactive") == []


async def test_a_port_on_hold_is_not_told_as_silent() -> None:
    async with exchange(MediaSettings(inactivity_s=0.2)) as at:
        alice, bob = at.phone(), at.phone()
        await at.open("a")
        await at.open("b")
        # On hold before it is linked: else it is to hear something, for however short a time.
        await at.do(c.SetDirection("a", send=True, receive=False))
        await at.do(alice.remote("a"), bob.remote("b"), c.Link("a", "b"))
        assert (await at.event("inactive")).port == "b"
        await at.do(c.SetDirection("a"))
        assert (await at.event("inactive")).port == "a"


async def test_listeners_of_an_owner_hear_its_ports_alone_until_it_is_closed() -> None:
    async with exchange() as at:
        alice, bob = at.phone(), at.phone()
        a, _ = await at.call(alice, bob)
        own: list[MediaEvent] = []
        others: list[MediaEvent] = []
        at.engine.subscribe(own.append, "call")
        unsubscribe = at.engine.subscribe(others.append, "another call")
        alice.speak(a)
        await at.event("latched")
        assert [event.port for event in own] == ["a"]
        assert others == []
        unsubscribe()
        await at.do(c.CloseOwner("call"))


async def test_a_failing_listener_does_not_silence_the_others() -> None:
    async with exchange() as at:
        faults: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))

        def fail(event: MediaEvent) -> None:
            raise RuntimeError(event.kind)

        alice = at.phone()
        assert isinstance(at.engine, EmbeddedMediaEngine)
        at.engine._listeners._listeners[None].insert(0, fail)
        a = await at.open("a")
        await at.do(alice.remote("a"), c.Echo("a"))
        alice.speak(a)
        await at.event("latched")
        assert [str(fault["exception"]) for fault in faults] == ["latched"]
