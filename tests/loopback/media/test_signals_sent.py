"""Signals and keys that the engine sends in its sound, measured by phones and heard by the engine itself."""

from __future__ import annotations

import asyncio

import pytest

from tests.loopback.media.codecs import G722, L16, OPUS, PCMA, PCMU, formats, pcm
from tests.loopback.media.rtp_phone import Exchange, Phone, exchange, strength
from trunkline.base.errors import MediaError
from trunkline.media import commands as c
from trunkline.media.events import DigitsSent, DtmfReceived, ToneEnded, ToneHeard
from trunkline.media.signals import signal_of

RATES_HZ = {"PCMU": 8000, "PCMA": 8000, "G722": 16_000, "opus": 48_000, "L16": 16_000}
KEYS = "159*0#AD"


async def facing(at: Exchange, codec: c.Format) -> None:
    """Ports ``a`` and ``b``, each of which is the other's peer."""
    a, b = await at.open("a"), await at.open("b")
    await at.do(c.SetRemote("a", b.address, b.rtp_port), c.SetRemote("b", a.address, a.rtp_port))
    await at.do(formats("a", codec), formats("b", codec))


@pytest.mark.parametrize("codec", [PCMU, PCMA, G722, OPUS, L16], ids=lambda codec: codec.codec)
async def test_a_signal_is_spoken_in_the_codec_of_the_peer(codec: c.Format) -> None:
    async with exchange() as at:
        alice = at.phone()
        await at.open("a")
        await at.do(alice.remote("a"), formats("a", codec), c.PlaySignal("a", signal_of("US", "busy")))
        packets = [await alice.hear() for _ in range(20)]
        sound = pcm(codec, packets)[3 * len(packets) :]
        assert {packet[1] & 0x7F for packet in packets} == {codec.payload_type}
        rate_hz = RATES_HZ[codec.codec]
        for hz in (480, 620):
            assert abs(strength(sound[-rate_hz // 5 :], hz, rate_hz) + 19) < 2
        assert strength(sound[-rate_hz // 5 :], 550, rate_hz) < -40


async def test_a_signal_that_is_not_repeated_ends_and_says_so() -> None:
    async with exchange() as at:
        alice = at.phone()
        await at.open("a")
        steps = [c.ToneStep([950.0], 60), c.ToneStep([], 40), c.ToneStep([1400.0], 50)]
        await at.do(alice.remote("a"), c.PlaySignal("a", steps, repeat=False))
        assert await at.event("tone_ended") == ToneEnded("call", "a")
        packets = [await alice.hear() for _ in range(8)]
        await at.figures_when("a", lambda now: now.packets_out == 8)
        sound = pcm(PCMU, packets)
        assert abs(strength(sound[:480], 950) + 16) < 1.5
        assert max(map(abs, sound[480:800])) < 10
        assert abs(strength(sound[800:1200], 1400) + 16) < 1.5


async def relayed(at: Exchange) -> tuple[Phone, c.PortOpened, Phone]:
    alice, bob = at.phone(ssrc=1), at.phone(ssrc=2)
    _, b = await at.call(alice, bob)
    await bob.speak_until_heard(b, alice)
    return alice, b, bob


async def heard_again(bob: Phone, b: c.PortOpened, alice: Phone) -> None:
    """Bob speaks until Alice hears him, whatever else she hears."""
    async with asyncio.timeout(60):
        while True:
            bob.speak(b)
            try:
                async with asyncio.timeout(0.02):
                    while (await alice.hear())[8:12] != (2).to_bytes(4):
                        pass
            except TimeoutError:
                continue
            return


async def test_a_signal_over_a_link_takes_the_place_of_the_other_party_and_gives_it_back() -> None:
    async with exchange() as at:
        alice, b, bob = await relayed(at)
        steps = [c.ToneStep([440.0], 200)]
        await at.do(c.PlaySignal("a", steps, repeat=False, over_link=True))
        # The other party speaks on; of that nothing comes, only the signal.
        tone: list[bytes] = []
        while len(tone) < 10:
            bob.speak(b)
            packet = await alice.hear()
            if packet[8:12] != (2).to_bytes(4):
                tone.append(packet)
        assert abs(strength(pcm(PCMU, tone), 440) + 16) < 1
        assert await at.event("tone_ended") == ToneEnded("call", "a")
        await heard_again(bob, b, alice)


async def test_a_signal_over_a_link_is_ended_by_one_without_steps() -> None:
    async with exchange() as at:
        alice, b, bob = await relayed(at)
        await at.do(c.PlaySignal("a", signal_of("DE", "dial"), over_link=True))
        while (await alice.hear())[8:12] == (2).to_bytes(4):
            pass
        await at.do(c.PlaySignal("a", [], over_link=True))
        await heard_again(bob, b, alice)


@pytest.mark.rule("T-22")
@pytest.mark.parametrize("codec", [PCMU, PCMA, G722, OPUS, L16], ids=lambda codec: codec.codec)
async def test_keys_for_a_peer_without_telephone_events_are_tones_that_it_hears(codec: c.Format) -> None:
    async with exchange() as at:
        await facing(at, codec)
        await at.do(c.Listen("b", keys=True), c.SendDigits("a", KEYS[:4], 0), c.SendDigits("a", KEYS[4:], 0))
        heard = [await at.event("dtmf") for _ in KEYS]
        assert [event.digit for event in heard if isinstance(event, DtmfReceived)] == list(KEYS)
        assert await at.event("digits_sent") == DigitsSent("call", "a", KEYS[4:])


async def test_keys_as_tones_take_the_place_of_what_is_relayed() -> None:
    async with exchange() as at:
        alice, b, bob = await relayed(at)
        await at.do(c.SendDigits("a", "8", 0, 100, 40))
        keys: list[bytes] = []
        while len(keys) < 5:
            bob.speak(b)
            packet = await alice.hear()
            if packet[8:12] != (2).to_bytes(4):
                keys.append(packet)
        for hz in (852, 1336):
            assert abs(strength(pcm(PCMU, keys), hz) + 17) < 1.5
        assert await at.event("digits_sent") == DigitsSent("call", "a", "8")
        await heard_again(bob, b, alice)


@pytest.mark.rule("T-13")
@pytest.mark.parametrize("country", ["DE", "GB", "US"])
async def test_ringback_is_heard_as_ringback(country: str) -> None:
    async with exchange() as at:
        await facing(at, PCMA)
        await at.do(c.Listen("b", progress=True), c.PlaySignal("a", signal_of(country, "ringback")))
        assert await at.event("tone_heard") == ToneHeard("call", "b", "ringback")


@pytest.mark.parametrize(
    "steps",
    [
        [c.ToneStep([4000.0], 100)],
        [c.ToneStep([1.0, 2.0, 3.0, 4.0, 5.0], 100)],
        [c.ToneStep([440.0], 100, 3.0)],
        [c.ToneStep([440.0], 700_000)],
        [c.ToneStep([440.0], 100)] * 65,
    ],
)
async def test_what_is_no_signal_is_refused(steps: list[c.ToneStep]) -> None:
    async with exchange() as at:
        await at.open("a")
        with pytest.raises(MediaError) as refusal:
            await at.do(c.PlaySignal("a", steps))
        assert refusal.value.code == "media.argument"
