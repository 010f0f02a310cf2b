"""What the engine hears in the sound of a peer: signals of every country, voices, machines, keys."""

from __future__ import annotations

import itertools
import math
import struct
import time
import wave
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import trunkline.prompts
from tests.loopback.media.codecs import EVENTS, L16, PCMA, PCMU, formats
from tests.loopback.media.rtp_phone import Exchange, Phone, exchange, key_press
from trunkline.base.errors import MediaError
from trunkline.media import commands as c
from trunkline.media.events import (
    Answered,
    DtmfReceived,
    MediaEvent,
    PortLatched,
    ToneHeard,
    VoiceEnded,
    VoiceStarted,
)
from trunkline.media.signals import COUNTRIES, SIGNALS, SignalName, signal_of

RATE_HZ = 8000
PIECE = 50
PAUSE_S = 0.25
"""After 0.3 s without a packet the engine hears silence."""
NARROW = c.Format(97, "L16", RATE_HZ)
LENGTHS_S = {"ringback": 7, "busy": 3, "congestion": 4, "dial": 4, "special": 2}
ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
KEYS = "123A456B789C*0#D"


class Talker:
    """A phone that sends linear samples, as fast as the engine takes them; ``paused`` when the machine held it up."""

    def __init__(self, at: Exchange, phone: Phone, to: c.PortOpened) -> None:
        self.at, self.phone, self.to = at, phone, to
        self.sequence = self.sent = 0
        self.paused = False

    async def say(self, samples: array[int]) -> None:
        last_s = time.monotonic()
        for begin in range(0, len(samples) - 159, 160):
            now_s = time.monotonic()
            self.paused |= now_s - last_s > PAUSE_S
            last_s = now_s
            packet = array("h", samples[begin : begin + 160])
            packet.byteswap()
            header = struct.pack("!BBHII", 0x80, 97, self.sequence & 0xFFFF, self.sequence * 160, 7)
            self.phone.rtp.sendto(header + packet.tobytes(), (self.to.address, self.to.rtp_port))
            self.sequence += 1
            self.sent += 1
            if self.sent % PIECE == 0:
                await self.at.figures_when(self.to.port, lambda figures: figures.packets_in >= self.sent)

    async def told_until_speech(self) -> list[MediaEvent]:
        """What is told before speech that is said now: all that came before it was listened to."""
        await self.at.do(c.Listen(self.to.port, voice=True))
        await self.say(prompt("goodbye"))
        return await self.at.events_until("voice_started")


async def talker(at: Exchange, listen: c.Listen) -> Talker:
    phone = at.phone()
    port = await at.open(listen.port)
    await at.do(phone.remote(listen.port), formats(listen.port, NARROW), listen)
    return Talker(at, phone, port)


def signal(steps: tuple[tuple[tuple[float, ...], int, float], ...], seconds: float) -> array[int]:
    """Steps of (frequencies, milliseconds, level) again and again, for so long."""
    samples = array("h")
    for frequencies, duration_ms, level_dbov in itertools.cycle(steps):
        left = round(seconds * RATE_HZ) - len(samples)
        if left <= 0:
            return samples
        length = min(left, (duration_ms or 60_000) * RATE_HZ // 1000)
        if frequencies:
            samples.extend(_tones(frequencies, length, level_dbov))
        else:
            samples.frombytes(bytes(2 * length))
    return samples


def _tones(frequencies: tuple[float, ...], length: int, level_dbov: float) -> Iterator[int]:
    peak = 32767 * math.sqrt(2) * 10 ** (level_dbov / 20)
    steps = [math.tau * hz / RATE_HZ for hz in frequencies]
    return (int(sum(peak * math.sin(step * n) for step in steps)) for n in range(length))


def silence(seconds: float) -> array[int]:
    return array("h", bytes(2 * round(seconds * RATE_HZ)))


def key(of: str, duration_ms: int) -> array[int]:
    row, column = divmod(KEYS.index(of), 4)
    return array("h", _tones((ROWS[row], COLUMNS[column]), duration_ms * 8, -17.0))


def prompt(name: str) -> array[int]:
    path = Path(trunkline.prompts.__path__[0]) / "en" / f"{name}.wav"
    with wave.open(str(path), "rb") as file:
        return array("h", file.readframes(file.getnframes()))


def kinds() -> dict[tuple[tuple[tuple[float, ...], int, float], ...], tuple[str, SignalName]]:
    """Each different signal of the table once, with a country that has it."""
    found: dict[tuple[tuple[tuple[float, ...], int, float], ...], tuple[str, SignalName]] = {}
    for country, name in itertools.product(COUNTRIES, SIGNALS):
        steps = tuple(
            (tuple(s.frequencies_hz), s.duration_ms, s.level_dbov) for s in signal_of(country, name)
        )
        found.setdefault(steps, (country, name))
    return found


def told_as(country: str, name: SignalName) -> set[str | None]:
    """What a signal may be told as: not every country's differ from those of others."""
    steps = signal_of(country, name)
    if name == "dial":
        return {"dial"} if len(steps) == 1 else {None}
    if name == "special":
        return {"special"} if len(set(map(str, steps))) > 2 and country not in ("CN", "NZ") else {None}
    if name in ("busy", "congestion"):
        even = len({step.duration_ms for step in steps}) == 1
        return {"busy", "congestion"} if even else {"busy", "congestion", None}
    return {name}


async def test_the_signals_of_every_country_are_told_apart() -> None:
    wrong = []
    async with exchange(pairs=32) as at:
        for number, (steps, (country, name)) in enumerate(kinds().items()):
            if name == "waiting":
                continue
            told = await tones_told(at, f"p{number}", signal(steps, LENGTHS_S[name]))
            if (told[0] if told else None) not in told_as(country, name) or len(told) > 1:
                wrong.append((country, name, told))
    assert wrong == []


async def tones_told(at: Exchange, port: str, samples: array[int]) -> Sequence[str]:
    """What is told of a signal; one that was said with a pause in it was another one, and is said again."""
    while True:
        one = await talker(at, c.Listen(port, progress=True))
        for piece in (silence(0.3), samples, silence(0.2)):
            await one.say(piece)
        told = [event.tone for event in await one.told_until_speech() if isinstance(event, ToneHeard)]
        await at.do(c.ClosePort(port))
        if not one.paused:
            return told


async def test_a_voice_is_told_when_it_begins_and_when_it_has_ended() -> None:
    async with exchange() as at:
        one = await talker(at, c.Listen("a", voice=True, voice_end_ms=500))
        words = prompt("not-registered")
        for piece in (silence(0.5), words, silence(1.0)):
            await one.say(piece)
        assert await at.event("voice_started") == VoiceStarted("call", "a")
        ended = await at.event("voice_ended")
        assert isinstance(ended, VoiceEnded)
        assert abs(ended.duration_ms - len(words) / 8) < 300


async def test_a_machine_is_told_from_a_human_and_its_beep_is_heard() -> None:
    async with exchange() as at:
        machine = await talker(at, c.Listen("a", machine=True))
        beep = signal((((1000.0,), 400, -16.0),), 0.4)
        for piece in (silence(0.5), prompt("no-answer"), silence(0.6), beep, silence(0.5)):
            await machine.say(piece)
        by = await at.event("answered")
        assert isinstance(by, Answered)
        assert (by.by, 1500 < by.after_ms < 4000) == ("machine", True)
        assert await at.event("tone_heard") == ToneHeard("call", "a", "beep")
        human = await talker(at, c.Listen("b", machine=True))
        for piece in (silence(0.8), prompt("goodbye"), silence(2.0)):
            await human.say(piece)
        by = await at.event("answered")
        assert isinstance(by, Answered)
        assert by.by == "human"


async def test_who_answers_and_says_nothing_is_not_known_even_if_no_packet_comes() -> None:
    async with exchange() as at:
        await talker(at, c.Listen("a", machine=True))
        by = await at.event("answered")
        assert isinstance(by, Answered)
        assert by.by == "unknown"


async def test_a_fax_is_told_as_what_has_answered() -> None:
    async with exchange() as at:
        one = await talker(at, c.Listen("a", machine=True, progress=True))
        await one.say(silence(0.5))
        await one.say(signal((((2100.0,), 3000, -16.0),), 2.0))
        assert await at.event("tone_heard") == ToneHeard("call", "a", "fax_answering")
        by = await at.event("answered")
        assert isinstance(by, Answered)
        assert by.by == "fax"


async def test_keys_in_the_sound_are_told_once_each_with_their_time() -> None:
    async with exchange() as at:
        one = await talker(at, c.Listen("a", keys=True))
        await one.say(silence(0.1))
        for of in KEYS:
            await one.say(key(of, 80))
            await one.say(silence(0.08))
        heard = [await at.event("dtmf") for _ in KEYS]
        assert [event.digit for event in heard if isinstance(event, DtmfReceived)] == list(KEYS)
        assert all(abs(event.duration_ms - 80) <= 15 for event in heard if isinstance(event, DtmfReceived))
        await one.say(silence(0.5))
        assert await one.told_until_speech() == []


@pytest.mark.rule("T-22")
async def test_a_peer_that_sends_telephone_events_and_tones_presses_each_key_once() -> None:
    async with exchange() as at:
        one = await talker(at, c.Listen("a", keys=True))
        await at.do(one.phone.remote("a", dtmf_payload_type=101))
        await one.say(silence(0.1))
        began = one.sequence * 160
        for end in (False, True):
            packet = key_press(5, began, 800, end=end, sequence=one.sequence, ssrc=7)
            one.phone.rtp.sendto(packet, (one.to.address, one.to.rtp_port))
            one.sequence, one.sent = one.sequence + 1, one.sent + 1
        await one.say(key("5", 100))
        await one.say(silence(0.5))
        assert await at.event("dtmf") == DtmfReceived("call", "a", "5", 100)
        assert await one.told_until_speech() == []


@pytest.mark.rule("T-22")
@pytest.mark.parametrize("other", [PCMU, L16])
@pytest.mark.parametrize("events", [True, False])
async def test_a_key_in_the_sound_is_hidden_from_who_gets_it_as_an_event(
    other: c.Format, events: bool
) -> None:
    async with exchange() as at:
        alice, bob = at.phone(), at.phone()
        a, _ = await at.open("a"), await at.open("b")
        takes = (EVENTS,) if events else ()
        await at.do(alice.remote("a"), bob.remote("b"), formats("a", PCMA), formats("b", other, *takes))
        await at.do(c.Link("a", "b", convert=True), c.Listen("a", keys=True), c.Listen("b", keys=True))
        await at.do(c.OpenPort("ears", "ears"), formats("ears", other))
        tone = key("7", 200)
        quiet = sent = 0
        heard: list[bytes] = []
        for number in range(40):
            samples = tone[(number - 10) * 160 :][:160] if 10 <= number < 20 else silence(0.02)
            octets = bytes(_a_law(sample) for sample in samples)
            header = struct.pack("!BBHII", 0x80, 8, number, number * 160, 9)
            alice.rtp.sendto(header + octets, (a.address, a.rtp_port))
            await at.figures_when("a", lambda figures, number=number: figures.packets_in == number + 1)  # type: ignore[misc]
            sent += 1
        while len(heard) < 38:
            heard.append(await bob.hear())
        loud = [packet for packet in heard if _peak(packet, other) > 500]
        quiet = len(heard) - len(loud)
        told = await at.event("dtmf")
        assert isinstance(told, DtmfReceived)
        assert (told.port, told.digit, sent) == ("a", "7", 40)
        # Without a doubt it is a key only when it has been there for a packet.
        assert (len(loud) <= 2) if events else (len(loud) >= 10)
        assert quiet >= 25


def _a_law(sample: int) -> int:
    """G.711 A-law (ITU-T G.711)."""
    size = min(abs(sample), 32_767) >> 4
    segment = max(size.bit_length() - 4, 0) if size >= 32 else 0
    code = size >> 1 if segment < 2 and size < 32 else (size >> segment & 15) | segment << 4
    return (code | (0x80 if sample >= 0 else 0)) ^ 0x55


def _peak(packet: bytes, codec: c.Format) -> int:
    if codec is PCMU:
        return max(((((~o & 15) << 3) + 0x84) << (~o >> 4 & 7)) - 0x84 for o in packet[12:])
    samples: list[int] = [sample for (sample,) in struct.iter_unpack("!h", packet[12:])]
    return max(map(abs, samples))


async def test_listening_for_nothing_ends_it_and_wrong_limits_are_refused() -> None:
    async with exchange() as at:
        one = await talker(at, c.Listen("a", keys=True))
        await at.do(c.Listen("a"))
        await one.say(silence(0.1))
        await one.say(key("5", 100))
        await one.say(silence(0.3))
        assert await one.told_until_speech() == [
            PortLatched("call", "a", "127.0.0.1", one.phone.rtp_port, rtcp=False)
        ]
        for wrong in (c.Listen("a", voice=True, voice_end_ms=50), c.Listen("nobody", keys=True)):
            with pytest.raises(MediaError) as refusal:
                await at.do(wrong)
            assert refusal.value.code in ("media.argument", "media.unknown_port")
