"""A program that hears and speaks over the engine's socket."""

from __future__ import annotations

import array
import asyncio
import struct
from contextlib import aclosing

import pytest

from tests.loopback.media.codecs import G722, OPUS, PCMU, formats, mu_law, pcm
from tests.loopback.media.rtp_phone import Exchange, Phone, exchange, strength
from tests.loopback.media.sound import measure_until, sine
from tests.peers.tones import Recording, tone_level_dbfs
from trunkline.base.errors import MediaError
from trunkline.media import commands as c
from trunkline.media.audio import AudioStream
from trunkline.media.sound_commands import SoundRate


def octets(samples: list[int]) -> bytes:
    return struct.pack(f"<{len(samples)}h", *samples)


def samples_of(frames: list[bytes]) -> list[int]:
    return [sample for (sample,) in struct.iter_unpack("<h", b"".join(frames))]


async def stream(
    at: Exchange, codec: c.Format = PCMU, rate_hz: SoundRate = 16_000, speak: bool = True
) -> tuple[Phone, c.PortOpened, AudioStream]:
    alice = at.phone()
    port = await at.open("a")
    await at.do(alice.remote("a"), formats("a", codec))
    return alice, port, await AudioStream.open(at.engine, c.OpenAudio("a", rate_hz, speak))


async def frames(of: AudioStream, count: int) -> list[bytes]:
    heard = []
    async with asyncio.timeout(60), aclosing(aiter(of)) as each:
        async for frame in each:
            heard.append(frame)
            if len(heard) == count:
                break
    return heard


def level_dbov(samples: list[int], hz: float, rate_hz: int) -> float:
    """The tone's level in most of it: where the machine was busy with others there is a gap."""
    scaled = array.array("d", (sample / 32_768 for sample in samples))
    return tone_level_dbfs(Recording(rate_hz, scaled), hz) - 3.0


async def talk(phone: Phone, port: c.PortOpened, hz: float) -> None:
    said = mu_law(sine(hz, 1.0))
    sequence, loop = 0, asyncio.get_running_loop()
    began = loop.time()
    while True:
        header = bytes([0x80, 0, *sequence.to_bytes(2), *(sequence * 160).to_bytes(4), 0, 0, 0, 9])
        payload = said[sequence % 50 * 160 :][:160]
        phone.rtp.sendto(header + payload, (port.address, port.rtp_port))
        sequence += 1
        await asyncio.sleep(began + sequence * 0.02 - loop.time())


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 24_000, 48_000])
async def test_a_program_hears_the_peer(rate_hz: SoundRate) -> None:
    async with exchange() as at:
        alice, port, audio = await stream(at, PCMU, rate_hz)
        talking = asyncio.ensure_future(talk(alice, port, 1000))

        async def level() -> float:
            heard = await frames(audio, 75)
            assert {len(frame) for frame in heard} == {rate_hz // 50 * 2}
            return level_dbov(samples_of(heard), 1000.0, rate_hz)

        await measure_until(level, lambda dbov: abs(dbov + 10.0) <= 2.0)
        talking.cancel()
        audio.close()


@pytest.mark.parametrize("codec", [PCMU, G722, OPUS])
async def test_a_program_speaks_in_the_codec_of_the_peer(codec: c.Format) -> None:
    async with exchange() as at:
        alice, _, audio = await stream(at, codec)
        await audio.write(octets(sine(1000, 1.0, 16_000)))
        told = await audio.mark("said")
        packets: list[bytes] = []
        while not told.done() or len(packets) < 60:
            packets.append(await alice.hear())
        rate_hz = {"PCMU": 8000, "G722": 16_000}.get(codec.codec, 48_000)
        sound = pcm(codec, packets)
        begin = next(at for at, sample in enumerate(sound) if abs(sample) > 1000) + rate_hz // 4
        assert strength(sound[begin : begin + rate_hz // 2], 1000.0, rate_hz) == pytest.approx(-10, abs=2)
        audio.close()


async def test_what_is_cleared_is_not_said() -> None:
    async with exchange() as at:
        alice, _, audio = await stream(at)
        await audio.write(octets(sine(1000, 3.0, 16_000)))
        told = await audio.mark("end")
        await alice.hear()
        await audio.clear()
        async with asyncio.timeout(60):
            await told
        async with asyncio.timeout(60):
            while set((await alice.hear())[12:]) - {0xFF, 0x7F}:
                pass
        audio.close()


async def test_a_program_that_writes_too_much_waits() -> None:
    async with exchange() as at:
        _, _, audio = await stream(at, PCMU, 48_000)
        # Far more than what waits in the engine (10 s) and in the socket: the clearing must not wait for its end.
        writing = asyncio.ensure_future(audio.write(bytes(2 * 48_000 * 300)))
        done, _ = await asyncio.wait([writing], timeout=0.5)
        assert not done
        async with asyncio.timeout(60):
            await audio.clear()
            await audio.clear()
        assert not writing.done()
        audio.close()
        with pytest.raises(MediaError):
            await writing


async def test_a_program_that_only_listens_disturbs_nobody() -> None:
    async with exchange() as at:
        alice, port, audio = await stream(at, speak=False)
        await at.do(c.Echo("a"))
        said = alice.speak(port)
        assert (await alice.hear())[12:] == said[12:]
        assert len(await frames(audio, 5)) == 5
        audio.close()
        said = alice.speak(port)
        assert (await alice.hear())[12:] == said[12:]


@pytest.mark.parametrize("ending", [c.Unlink("a"), c.ClosePort("a"), c.Tone("a", 1000.0)])
async def test_another_task_ends_the_stream(ending: c.Command[c.Reply]) -> None:
    async with exchange() as at:
        _, _, audio = await stream(at)
        await at.do(ending)
        async with asyncio.timeout(60):
            async for _ in audio:
                pass
        with pytest.raises(MediaError) as refused:
            await audio.write(bytes(320))
        assert refused.value.code == "media.stopped"


async def test_a_program_that_goes_away_leaves_the_port_idle() -> None:
    async with exchange() as at:
        alice, _, audio = await stream(at)
        await alice.hear()
        audio.close()
        before = -1
        async with asyncio.timeout(60):
            while (now := (await at.figures("a")).packets_out) != before:
                before = now
                await asyncio.sleep(0.1)


async def test_what_cannot_be_is_refused() -> None:
    async with exchange() as at:
        await at.open("a")
        with pytest.raises(MediaError) as refused:
            await at.do(c.OpenAudio("a"))
        assert refused.value.code == "media.codec"
        await at.do(formats("a", PCMU))
        with pytest.raises(MediaError) as refused:
            await at.do(c.OpenAudio("a", 11_025))  # type: ignore[arg-type]  # what a program might ask for
        assert refused.value.code == "media.argument"
