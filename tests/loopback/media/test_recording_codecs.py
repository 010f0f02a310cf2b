"""Recordings of peers that speak other codecs than G.711."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from tests.loopback.media.codecs import G722, L16, OPUS, PCMU, encoded, formats
from tests.loopback.media.rtp_phone import Exchange, Phone, exchange
from tests.peers.tones import read_channels, tone_level_dbfs
from trunkline.media import commands as c


async def say(phone: Phone, port: c.PortOpened, codec: c.Format, payloads: list[bytes], units: int) -> None:
    """What was encoded, in real time."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for n, payload in enumerate(payloads):
        header = bytes([0x80, codec.payload_type, *n.to_bytes(2), *(n * units).to_bytes(4), 0, 0, 0, 9])
        phone.rtp.sendto(header + payload, (port.address, port.rtp_port))
        await asyncio.sleep(began + (n + 1) * 0.02 - loop.time())


async def recorded(at: Exchange) -> dict[str, object]:
    return (await at.event("recorded")).to_dict()


@pytest.mark.parametrize(
    ("codec", "units", "rate_hz"),
    [(PCMU, 160, 8000), (G722, 160, 16_000), (L16, 320, 16_000), (OPUS, 960, 16_000)],
)
async def test_a_recording_has_the_rate_of_what_is_heard(
    tmp_path: Path, codec: c.Format, units: int, rate_hz: int
) -> None:
    target, tone = tmp_path / "call.wav", encoded(codec, 1000, 1.5)
    async with exchange() as at:
        alice = at.phone()
        port = await at.open("a")
        await at.do(alice.remote("a"), formats("a", codec), c.Record("a", "r", str(target)))
        await say(alice, port, codec, tone, units)
        await at.do(c.StopRecord("r"))
        told = await recorded(at)
        assert told["missing"] == 0
        (channel,) = read_channels(target)
        assert channel.rate == rate_hz
        assert tone_level_dbfs(channel, 1000.0) == pytest.approx(-7.0, abs=2.0)


async def test_two_parties_with_two_codecs_have_a_channel_each(tmp_path: Path) -> None:
    target = tmp_path / "call.wav"
    tones = encoded(PCMU, 700, 1.5), encoded(G722, 1900, 1.5)
    async with exchange() as at:
        alice, bob = at.phone(), at.phone()
        ports = await at.open("a"), await at.open("b")
        await at.do(
            alice.remote("a"), bob.remote("b"), formats("a", PCMU), formats("b", G722),
            c.Link("a", "b", convert=True), c.Record("a", "r", str(target), other="b", channels="stereo"),
        )  # fmt: skip
        await asyncio.gather(
            say(alice, ports[0], PCMU, tones[0], 160), say(bob, ports[1], G722, tones[1], 160)
        )
        await at.do(c.StopRecord("r"))
        await recorded(at)
        left, right = read_channels(target)
        assert left.rate == 16_000
        assert tone_level_dbfs(left, 700.0) == pytest.approx(-7.0, abs=2.0)
        assert tone_level_dbfs(right, 1900.0) == pytest.approx(-7.0, abs=2.0)
        assert tone_level_dbfs(left, 1900.0) < -40


@pytest.mark.parametrize("stereo", [False, True])
async def test_a_file_of_opus(tmp_path: Path, stereo: bool) -> None:
    target, plain = tmp_path / "call.opus", tmp_path / "plain.wav"
    tones = encoded(G722, 700, 1.5), encoded(PCMU, 1900, 1.5)
    async with exchange() as at:
        alice, bob = at.phone(), at.phone()
        ports = await at.open("a"), await at.open("b")
        await at.do(
            alice.remote("a"), bob.remote("b"), formats("a", G722), formats("b", PCMU),
            c.Record("a", "r", str(target), other="b", channels="stereo" if stereo else "mono"),
        )  # fmt: skip
        await asyncio.gather(
            say(alice, ports[0], G722, tones[0], 160), say(bob, ports[1], PCMU, tones[1], 160)
        )
        await at.do(c.StopRecord("r"))
        told = await recorded(at)
        command = ["ffmpeg", "-loglevel", "error", "-i", str(target), "-c:a", "pcm_s16le", str(plain)]
        await asyncio.to_thread(subprocess.run, command, check=True, timeout=60)
        channels = read_channels(plain)
        assert len(channels) == 1 + stereo
        assert channels[0].seconds * 1000 == pytest.approx(float(str(told["duration_ms"])), abs=25)
        assert tone_level_dbfs(channels[0], 700.0) == pytest.approx(-7.0, abs=2.0)
        assert tone_level_dbfs(channels[-1], 1900.0) == pytest.approx(-7.0, abs=2.0)
        assert target.stat().st_size < 40_000
