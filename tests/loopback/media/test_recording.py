"""What ports hear, recorded into files, over real sockets."""

from __future__ import annotations

import stat
import struct
from pathlib import Path

import pytest

from tests.loopback.media.rtp_phone import Exchange, Phone, exchange, strength
from tests.loopback.media.sound import companded, linear, read_wav, sine, write_wav
from trunkline.base.errors import MediaError
from trunkline.media import commands as c
from trunkline.media.events import Recorded, RecordFailed


class Speaker:
    """A phone that says a sine in µ-law, packet by packet."""

    def __init__(self, phone: Phone, frequency_hz: float, seconds: float = 1.0) -> None:
        self.phone = phone
        octets = bytes(companded(sample) for sample in sine(frequency_hz, seconds))
        self.packets = [octets[at : at + 160] for at in range(0, len(octets), 160)]
        self.start = 0xFFFF_FF00  # the timestamps wrap soon
        self.first = 65_530  # and so do the sequence numbers

    def say(self, to: c.PortOpened, number: int, payload_type: int = 0) -> None:
        """Send the packet of that number."""
        sequence, stamp = (self.first + number) % 65_536, (self.start + number * 160) % 2**32
        header = struct.pack("!BBHII", 0x80, payload_type, sequence, stamp, self.phone.ssrc)
        packet = header + self.packets[number % len(self.packets)]
        self.phone.rtp.sendto(packet, (to.address, to.rtp_port))


async def recorded(at: Exchange) -> Recorded:
    event = await at.event("recorded")
    assert isinstance(event, Recorded)
    return event


async def failed(at: Exchange) -> RecordFailed:
    event = await at.event("record_failed")
    assert isinstance(event, RecordFailed)
    return event


async def heard(at: Exchange, port: str, packets: int) -> None:
    await at.figures_when(port, lambda now: now.packets_in >= packets)


async def goes_on(at: Exchange, folder: Path, seconds: float) -> None:
    """Recordings of port ``a`` go on for so long by the engine's own clock, which a busy machine may hold up."""
    await at.do(c.Record("a", "clock", str(folder / "clock.wav"), max_duration_s=seconds))
    while (await recorded(at)).recording != "clock":
        pass


async def test_a_recording_has_what_was_said_with_its_gaps(tmp_path: Path) -> None:
    file = tmp_path / "call.wav"
    async with exchange() as at:
        speaker = Speaker(at.phone(), 500)
        a = await at.open("a")
        await at.do(speaker.phone.remote("a"), c.Record("a", "r", str(file)))
        order = [0, 1, 2, 4, 3, 3, 5, 8, 9]  # one late, one doubled, two lost
        for number in order:
            speaker.say(a, number)
        await heard(at, "a", len(order))
        await goes_on(at, tmp_path, 0.3)
        await at.do(c.StopRecord("r"))
        event = await recorded(at)
        assert (event.owner, event.port, event.recording, event.file) == ("call", "a", "r", str(file))
        assert (event.ended, event.missing) == ("stopped", 0)
        assert event.voice_ms >= 160
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (samples,) = read_wav(file)
    assert len(samples) // 8 == event.duration_ms
    begin = next(at for at, sample in enumerate(samples) if sample)
    said = [linear(octet, 0) for packet in speaker.packets[:10] for octet in packet]
    said[6 * 160 : 8 * 160] = [0] * 320
    begin -= next(at for at, sample in enumerate(said) if sample)
    assert samples[begin : begin + 1600] == said
    assert not any(samples[begin + 1600 :])


async def test_a_linked_call_has_the_caller_left_and_the_callee_right(tmp_path: Path) -> None:
    both, mixed = tmp_path / "both.wav", tmp_path / "mixed.wav"
    async with exchange() as at:
        one, two = Speaker(at.phone(ssrc=1), 600), Speaker(at.phone(ssrc=2), 1800)
        a, b = await at.call(one.phone, two.phone)
        await at.do(c.Record("a", "r", str(both), "b", "stereo"), c.Record("a", "s", str(mixed), "b"))
        for number in range(50):
            one.say(a, number)
            two.say(b, number)
        await heard(at, "a", 50)
        await heard(at, "b", 50)
        assert (await two.phone.hear())[12:] == one.packets[0]
        await goes_on(at, tmp_path, 1.2)
        await at.do(c.CloseOwner("call"))
        events = [await recorded(at) for _ in "rs"]
        assert {event.recording for event in events} == {"r", "s"}
        assert {event.ended for event in events} == {"closed"}
    left, right = read_wav(both)
    (mix,) = read_wav(mixed)
    for samples, there, not_there in ((left, 600, 1800), (right, 1800, 600)):
        assert strength(samples[800:7200], there) == pytest.approx(-10, abs=0.5)
        assert strength(samples[800:7200], not_there) < -40
    assert strength(mix[800:7200], 600) == pytest.approx(-10, abs=0.5)
    assert strength(mix[800:7200], 1800) == pytest.approx(-10, abs=0.5)


async def test_a_port_alone_is_recorded_with_what_it_plays(tmp_path: Path) -> None:
    file = tmp_path / "r.wav"
    prompt = write_wav(tmp_path / "prompt.wav", [sine(1000, 0.3)])
    async with exchange() as at:
        alice = at.phone()
        await at.open("a")
        await at.do(alice.remote("a"), c.Record("a", "r", str(file), channels="stereo"))
        await at.do(c.Play("a", "p", [str(prompt)]))
        await at.event("played")
        await at.do(c.StopRecord("r"))
        await recorded(at)
    left, right = read_wav(file)
    assert not any(left)
    begin = next(at for at, sample in enumerate(right) if sample)
    assert strength(right[begin : begin + 2000], 1000) == pytest.approx(-10, abs=0.5)


async def test_nothing_is_recorded_on_hold(tmp_path: Path) -> None:
    file = tmp_path / "r.wav"
    async with exchange() as at:
        speaker = Speaker(at.phone(), 500)
        a = await at.open("a")
        await at.do(speaker.phone.remote("a"), c.SetDirection("a", receive=False))
        await at.do(c.Record("a", "r", str(file)))
        speaker.say(a, 0)
        await heard(at, "a", 1)
        await at.do(c.StopRecord("r"))
        assert (await recorded(at)).voice_ms == 0
    assert not any(read_wav(file)[0])


async def test_silence_after_a_voice_ends_it(tmp_path: Path) -> None:
    file = tmp_path / "r.wav"
    async with exchange() as at:
        speaker = Speaker(at.phone(), 500)
        a = await at.open("a")
        await at.do(speaker.phone.remote("a"), c.Record("a", "r", str(file), silence_s=0.5))
        for number in range(10):
            speaker.say(a, number)
        event = await recorded(at)
        assert (event.ended, event.voice_ms) == ("silence", 200)
    assert len(read_wav(file)[0]) // 8 == event.duration_ms


async def test_limits_of_time_and_size_end_it(tmp_path: Path) -> None:
    async with exchange() as at:
        await at.open("a")
        await at.do(
            c.Record("a", "r", str(tmp_path / "r.wav"), max_duration_s=0.1),
            c.Record("a", "s", str(tmp_path / "s.wav"), max_bytes=2000),
        )
        ended = {event.recording: event for event in [await recorded(at) for _ in "rs"]}
        assert (ended["r"].ended, ended["r"].duration_ms) == ("duration", 100)
        assert ended["s"].ended == "size"
        assert (tmp_path / "s.wav").stat().st_size == 2000


async def test_a_stopped_engine_completes_its_recordings(tmp_path: Path) -> None:
    file = tmp_path / "r.wav"
    async with exchange() as at:
        speaker = Speaker(at.phone(), 500)
        a = await at.open("a")
        await at.do(speaker.phone.remote("a"), c.Record("a", "r", str(file)))
        speaker.say(a, 0)
        await heard(at, "a", 1)
        await goes_on(at, tmp_path, 0.1)
        await at.engine.stop()
        assert (await recorded(at)).ended == "closed"
    assert any(read_wav(file)[0])


async def test_what_cannot_be_recorded_is_told(tmp_path: Path) -> None:
    there = tmp_path / "there.wav"
    there.write_bytes(b"precious")
    async with exchange() as at:
        speaker = Speaker(at.phone(), 500)
        a = await at.open("a")
        await at.do(speaker.phone.remote("a"))
        await at.do(c.Record("a", "r", str(there)))
        event = await failed(at)
        assert (event.recording, event.code) == ("r", "media.file_exists")
        await at.do(c.Record("a", "r", str(tmp_path / "no" / "r.wav")))
        assert (await failed(at)).code == "media.file_unwritable"
        await at.do(c.Record("a", "r", str(tmp_path / "r.wav"), keep_free_bytes=2**62))
        assert (await failed(at)).code == "media.disk_full"
        await at.do(c.Record("a", "r", str(tmp_path / "s.wav")))
        for number in range(50):
            speaker.say(a, number, payload_type=111)
        event = await failed(at)
        assert event.code == "media.codec"
        assert "payload type 111" in event.reason
    assert there.read_bytes() == b"precious"


async def test_a_codec_that_cannot_be_decoded_is_refused_at_once(tmp_path: Path) -> None:
    async with exchange() as at:
        speaker = Speaker(at.phone(), 500)
        a = await at.open("a")
        await at.do(speaker.phone.remote("a"))
        speaker.say(a, 0, payload_type=18)
        await heard(at, "a", 1)
        with pytest.raises(MediaError) as refusal:
            await at.do(c.Record("a", "r", str(tmp_path / "r.wav")))
        assert refusal.value.code == "media.codec"
    assert not (tmp_path / "r.wav").exists()


async def test_wrong_commands_are_refused(tmp_path: Path) -> None:
    def record(name: str, **other: object) -> c.Record:
        return c.Record("a", name, str(tmp_path / f"{name}.wav"), **other)  # type: ignore[arg-type]

    async with exchange() as at:
        await at.open("a")
        await at.do(*(record(f"r{n}") for n in range(4)))
        for wrong, code in (
            (record("r0"), "media.recording"),
            (record("r5"), "media.recording"),
            (record("s", other="a"), "media.argument"),
            (record("s", other="b"), "media.unknown_port"),
            (record("s", max_duration_s=0.0), "media.argument"),
            (record("s", max_bytes=2**32), "media.argument"),
            (record("s", max_bytes=-1), "media.argument"),
            (c.Record("a", "s", ""), "media.argument"),
        ):
            with pytest.raises(MediaError) as refusal:
                await at.do(wrong)
            assert refusal.value.code == code, wrong
        await at.do(c.StopRecord("nobody knows it"), c.StopRecord("r0"), c.StopRecord("r0"))
        assert (await recorded(at)).recording == "r0"
        await at.do(record("r5"))
