"""Links between peers that share no codec, over real sockets: tones measured behind the other codec."""

from __future__ import annotations

import asyncio
import itertools
import math
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.loopback.media import codecs
from tests.loopback.media.codecs import CN, EVENTS, G722, L16, OPUS, PCMA, PCMU, formats, pcm
from tests.loopback.media.rtp_phone import Exchange, Phone, exchange, strength
from tests.loopback.media.sound import linear, sine
from trunkline.base.errors import MediaError
from trunkline.media import commands as c
from trunkline.media.embedded import MediaSettings
from trunkline.media.events import DtmfReceived

WIDE = replace(EVENTS, clock_hz=48_000, payload_type=110)
RTP = struct.Struct("!BBHII")


class Speaker:
    """Packets of one payload type, one after the other."""

    def __init__(self, phone: Phone, to: c.PortOpened, payload_type: int, step: int) -> None:
        self.phone, self.to, self.payload_type, self.step = phone, to, payload_type, step
        self.sequence = self.timestamp = 1000

    def say(self, payload: bytes, *, marker: bool = False) -> None:
        self.send(self.payload_type, payload, self.timestamp, marker=marker)
        self.timestamp += self.step

    def send(self, payload_type: int, payload: bytes, timestamp: int, *, marker: bool = False) -> None:
        header = RTP.pack(0x80, payload_type | marker << 7, self.sequence, timestamp, 77)
        self.phone.rtp.sendto(header + payload, (self.to.address, self.to.rtp_port))
        self.sequence += 1

    def lose(self) -> None:
        self.sequence += 1
        self.timestamp += self.step


async def linked(
    at: Exchange, left: c.SetFormats, right: c.SetFormats, **remote: Any
) -> tuple[Phone, c.PortOpened, Phone, c.PortOpened]:
    """Two phones with these formats, ports ``a`` and ``b``, their link converting."""
    alice, bob = at.phone(), at.phone(ssrc=2)
    ports = await at.open("a"), await at.open("b")
    await at.do(
        alice.remote("a", **remote), bob.remote("b", **remote), left, right, c.Link("a", "b", convert=True)
    )
    return alice, ports[0], bob, ports[1]


async def heard_first(speaker: Speaker, listener: Phone) -> None:
    """Two threads do not obey at the same time: packets until the first has come through, and those behind it."""
    heard = asyncio.ensure_future(listener.hear())
    speaker.say(b"\x90" * 160)
    while not (await asyncio.wait([heard], timeout=0.02))[0]:
        speaker.say(b"\x90" * 160)
    first = set((await heard)[12:])
    speaker.say(b"\xa8" * 160)
    while set((await listener.hear())[12:]) == first:
        pass


def header(packet: bytes) -> tuple[bool, int, int, int]:
    """Marker, payload type, sequence number, timestamp."""
    _, second, sequence, timestamp, _ = RTP.unpack(packet[:12])
    return bool(second & 0x80), second & 0x7F, sequence, timestamp


def mu_law(samples: list[int]) -> list[bytes]:
    octets = codecs.mu_law(samples)
    return [octets[at : at + 160] for at in range(0, len(octets), 160)]


@pytest.mark.parametrize(
    ("codec", "units", "rate_hz"),
    [(PCMA, 160, 8000), (G722, 160, 16_000), (OPUS, 960, 48_000), (L16, 320, 16_000)],
)
async def test_a_tone_is_heard_in_the_codec_of_the_other(codec: c.Format, units: int, rate_hz: int) -> None:
    async with exchange() as at:
        alice, port, bob, _ = await linked(at, formats("a", PCMU), formats("b", codec))
        speaker = Speaker(alice, port, 0, 160)
        packets = []
        for payload in mu_law(sine(1000, 1.0)):
            speaker.say(payload)
            packets.append(await bob.hear())
        headers = [header(packet) for packet in packets]
        assert {payload_type for _, payload_type, _, _ in headers} == {codec.payload_type}
        assert [marker for marker, *_ in headers] == [True] + [False] * 49
        assert {(b[2] - a[2]) % 65_536 for a, b in itertools.pairwise(headers)} == {1}
        assert {(b[3] - a[3]) % 2**32 for a, b in itertools.pairwise(headers)} == {units}
        samples = pcm(codec, packets)
        heard = samples[rate_hz // 4 : rate_hz // 4 * 3]
        assert strength(heard, 1000.0, rate_hz) == pytest.approx(-10.0, abs=1.0)
        assert strength(heard, 1500.0, rate_hz) < -40
        figures = await at.figures_when("b", lambda now: now.packets_out == 50)
        assert figures.concealed == 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_both_directions_at_once_whatever_threads_they_have(workers: int) -> None:
    async with exchange(MediaSettings(workers=workers)) as at:
        alice, bob = at.phone(), at.phone(ssrc=2)
        ports = await at.open("a", "one"), await at.open("b", "two")
        await at.do(
            alice.remote("a"), bob.remote("b"), formats("a", PCMU), formats("b", PCMA),
            c.Link("a", "b", convert=True),
        )  # fmt: skip
        there, back = Speaker(alice, ports[0], 0, 160), Speaker(bob, ports[1], 8, 160)
        await heard_first(there, bob)
        await heard_first(back, alice)
        for _ in range(10):
            there.say(b"\xff" * 160)
            back.say(b"\xd5" * 160)
            assert set((await bob.hear())[12:]) <= {0xD5, 0x55}
            assert set((await alice.hear())[12:]) <= {0xFF, 0x7F, 0xFE, 0x7E}


async def test_what_is_lost_is_concealed_and_counted() -> None:
    async with exchange() as at:
        alice, port, bob, _ = await linked(at, formats("a", PCMU), formats("b", PCMA))
        speaker = Speaker(alice, port, 0, 160)
        samples: list[int] = []
        for n, payload in enumerate(mu_law(sine(500, 0.6))):
            if n == 15:
                speaker.lose()
                continue
            speaker.say(payload)
            for _ in range(2 if n == 16 else 1):
                samples += [linear(octet, 8) for octet in (await bob.hear())[12:]]
        assert len(samples) == 30 * 160
        # What was invented is nearly as loud as what it stands for.
        assert strength(samples[15 * 160 : 16 * 160], 500.0) == pytest.approx(-10.0, abs=3.0)
        assert (await at.figures("a")).concealed == 1


@pytest.mark.parametrize("ptime_ms", [10, 30, 40, 60])
async def test_packets_are_as_long_as_the_peer_asked(ptime_ms: int) -> None:
    async with exchange() as at:
        alice, port, bob, _ = await linked(at, formats("a", PCMU), formats("b", PCMA, ptime_ms=ptime_ms))
        speaker = Speaker(alice, port, 0, 160)
        for _ in range(12):
            speaker.say(b"\x90" * 160)
        packets = [await bob.hear() for _ in range(240 // ptime_ms)]
        assert {len(packet) for packet in packets} == {12 + 8 * ptime_ms}
        stamps = [header(packet)[3] for packet in packets]
        assert {(b - a) % 2**32 for a, b in itertools.pairwise(stamps)} == {8 * ptime_ms}


@pytest.mark.parametrize("left", [PCMU, OPUS, L16])
@pytest.mark.parametrize("right", [PCMA, G722, OPUS])
async def test_of_packets_that_come_three_at_once_none_is_lost(left: c.Format, right: c.Format) -> None:
    async with exchange() as at:
        alice, port, bob, _ = await linked(at, formats("a", left), formats("b", right))
        speaker = Speaker(alice, port, left.payload_type, left.clock_hz // 50)
        payloads = (await asyncio.to_thread(codecs.encoded, left, 1000, 2.5))[
            :90
        ]  # no more than is converted in a row
        packets = []
        for at_once in range(0, len(payloads), 3):
            for payload in payloads[at_once : at_once + 3]:
                speaker.say(payload)
            packets += [await bob.hear() for _ in range(3)]
        headers = [header(packet) for packet in packets]
        assert {(b[2] - a[2]) % 65_536 for a, b in itertools.pairwise(headers)} == {1}
        assert {(b[3] - a[3]) % 2**32 for a, b in itertools.pairwise(headers)} == {right.clock_hz // 50}
        await at.figures_when("b", lambda now: now.packets_out == 90)  # counted once it is sent
        figures = await at.figures("a")
        assert (figures.packets_in, figures.late, figures.concealed) == (90, 0, 0)


@pytest.mark.rfc("4733", "2.3")
@pytest.mark.rule("T-22")
async def test_keys_are_told_by_the_clock_of_the_other_and_once_to_us() -> None:
    async with exchange() as at:
        alice, port, bob, _ = await linked(
            at, formats("a", PCMU, EVENTS), formats("b", OPUS, WIDE), dtmf_payload_type=101
        )
        speaker = Speaker(alice, port, 0, 160)
        speaker.say(b"\xff" * 160)
        before = header(await bob.hear())
        begun = speaker.timestamp
        for duration, end in ((160, 0), (320, 0), (480, 0x80), (480, 0x80), (480, 0x80)):
            speaker.send(101, struct.pack("!BBH", 5, end, duration), begun)
        keys = [await bob.hear() for _ in range(5)]
        assert {header(key)[1] for key in keys} == {110}
        assert {header(key)[3] for key in keys} == {(before[3] + 960) % 2**32}
        told = [struct.unpack("!BBH", key[12:]) for key in keys]
        assert told == [(5, 0, 960), (5, 0, 1920), (5, 0x80, 2880), (5, 0x80, 2880), (5, 0x80, 2880)]
        speaker.timestamp += 480
        speaker.say(b"\xff" * 160)
        assert (header(await bob.hear())[3] - before[3]) % 2**32 == 4 * 960
        assert await at.event("dtmf") == DtmfReceived("call", "a", "5", 60)
        await asyncio.sleep(0)
        assert at.waiting_events("dtmf") == []


@pytest.mark.rule("T-22")
@pytest.mark.parametrize("convert", [True, False])
async def test_keys_are_withheld_from_a_peer_that_takes_none(convert: bool) -> None:
    async with exchange() as at:
        alice, bob = at.phone(), at.phone(ssrc=2)
        port, _ = await at.open("a"), await at.open("b")
        await at.do(
            alice.remote("a", dtmf_payload_type=101), bob.remote("b"), formats("a", PCMU, EVENTS),
            formats("b", PCMU), c.Link("a", "b", convert),
        )  # fmt: skip
        speaker = Speaker(alice, port, 0, 160)
        speaker.send(101, struct.pack("!BBH", 5, 0x80, 480), speaker.timestamp)
        speaker.say(b"\xff" * 160)
        assert header(await bob.hear())[1] == 0
        assert await at.event("dtmf") == DtmfReceived("call", "a", "5", 60)
        await at.figures_when("b", lambda figures: figures.packets_out == 1)


async def test_comfort_noise_and_the_pause_behind_it_keep_their_places() -> None:
    async with exchange() as at:
        alice, port, bob, _ = await linked(at, formats("a", PCMU, CN), formats("b", G722, CN))
        speaker = Speaker(alice, port, 0, 160)
        speaker.say(b"\xff" * 160)
        speaker.send(13, b"\x40", speaker.timestamp)
        speaker.timestamp += 8000
        speaker.say(b"\xff" * 160)
        first, noise, last = [header(await bob.hear()) for _ in range(3)]
        assert [one[1] for one in (first, noise, last)] == [9, 13, 9]
        assert [(one[3] - first[3]) % 2**32 for one in (noise, last)] == [160, 8160]


async def test_another_answer_changes_the_codec_in_the_stream() -> None:
    async with exchange() as at:
        alice, port, bob, _ = await linked(at, formats("a", PCMU), formats("b", PCMA))
        speaker = Speaker(alice, port, 0, 160)
        speaker.say(b"\xff" * 160)
        first = await bob.hear()
        await at.do(formats("b", G722), c.Link("a", "b", convert=True))
        speaker.say(b"\xff" * 160)
        second = await bob.hear()
        assert (header(first)[1], header(second)[1]) == (8, 9)
        assert first[8:12] == second[8:12]
        assert header(second)[2] == (header(first)[2] + 1) % 65_536


async def test_hold_holds_a_converted_link_too() -> None:
    async with exchange() as at:
        alice, port, bob, _ = await linked(at, formats("a", PCMU), formats("b", PCMA))
        speaker = Speaker(alice, port, 0, 160)
        await at.do(c.SetDirection("b", send=False))
        speaker.say(b"\xff" * 160)
        await at.figures_when("a", lambda figures: figures.packets_in == 1)
        await at.do(c.SetDirection("b"))
        speaker.say(b"\x80" * 160)
        assert len(set((await bob.hear())[12:])) == 1
        await at.figures_when("b", lambda figures: figures.packets_out == 1)


async def test_a_link_cannot_convert_what_nobody_told() -> None:
    async with exchange() as at:
        await at.open("a")
        await at.open("b")
        await at.do(formats("a", PCMU))
        with pytest.raises(MediaError, match="port b has no formats") as refused:
            await at.do(c.Link("a", "b", convert=True))
        assert refused.value.code == "media.codec"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda: formats("a", replace(PCMU, codec="G729")), "media.codec"),
        (lambda: formats("a", replace(PCMU, payload_type=128)), "media.argument"),
        (lambda: formats("a", PCMU, ptime_ms=25), "media.argument"),
        (lambda: formats("nobody", PCMU), "media.unknown_port"),
    ],
)
async def test_formats_that_cannot_be_are_refused(change: Callable[[], c.SetFormats], code: str) -> None:
    async with exchange() as at:
        await at.open("a")
        with pytest.raises(MediaError) as refused:
            await at.do(change())
        assert refused.value.code == code


async def test_a_tone_is_spoken_in_the_codec_of_the_peer() -> None:
    async with exchange() as at:
        alice = at.phone()
        await at.open("a")
        await at.do(alice.remote("a"), formats("a", G722, ptime_ms=40), c.Tone("a", 1000.0))
        packets = [await alice.hear() for _ in range(15)]
        assert {len(packet) for packet in packets} == {12 + 320}
        samples = pcm(G722, packets)[3200:]
        assert strength(samples, 1000.0, 16_000) == pytest.approx(-16.0, abs=1.0)
        assert math.isclose(len(samples), 15 * 640 - 3200)
