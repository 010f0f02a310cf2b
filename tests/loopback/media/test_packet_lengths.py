"""Opus in packets of every length, one frame or several in each, towards everything that decodes it."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import pytest

from tests.loopback.media.codecs import OPUS, PCMU, formats, ogg_packets
from tests.loopback.media.rtp_phone import Exchange, Phone, exchange, strength
from tests.loopback.media.sound import linear, sine
from tests.peers.ffmpeg import ffmpeg
from tests.peers.tones import read_channels, tone_level_dbfs
from trunkline.media import commands as c
from trunkline.media.events import Recorded

LENGTHS_MS = [2.5, 10, 40, 60, 80, 120]
HZ = 1000.0


def packets(ms: float, channels: int = 1, seconds: float = 2.0) -> list[bytes]:
    """A tone at -10 dBov; packets of more than 60 ms have several frames (RFC 6716 §3.2)."""
    samples = sine(HZ, seconds, 48_000)
    data = struct.pack(f"<{len(samples)}h", *samples)
    written = ffmpeg(
        f"-f s16le -ar 48000 -ac 1 -i pipe:0 -ac {channels} -c:a libopus -b:a 64k -frame_duration {ms} -f ogg pipe:1",
        data,
    )
    return ogg_packets(written)[2:]


async def say(phone: Phone, port: c.PortOpened, payloads: list[bytes], ms: float) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    for n, payload in enumerate(payloads):
        stamp = round(n * ms * 48)
        header = struct.pack("!BBHII", 0x80, OPUS.payload_type, n & 0xFFFF, stamp, 9)
        phone.rtp.sendto(header + payload, (port.address, port.rtp_port))
        await asyncio.sleep(began + (n + 1) * ms / 1000 - loop.time())


async def said(
    at: Exchange, ms: float, channels: int, listener: c.Command[c.Reply], *others: c.Command[c.Reply]
) -> list[int]:
    """What a phone with G.711 hears of one with Opus, while other commands are carried out."""
    payloads = packets(ms, channels)
    alice, bob = at.phone(), at.phone()
    a = await at.open("a")
    await at.open("b")
    await at.do(alice.remote("a"), bob.remote("b"), formats("a", OPUS), formats("b", PCMU), *others, listener)
    heard: list[int] = []

    async def hear() -> None:
        while True:
            packet = await bob.hear()
            heard.extend(linear(octet, 0) for octet in packet[12:])

    hearing = asyncio.ensure_future(hear())
    await say(alice, a, payloads, ms)
    hearing.cancel()
    return heard


@pytest.mark.rfc("6716", "3.2")
@pytest.mark.rfc("7587", "4.2")
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("ms", LENGTHS_MS)
async def test_packets_of_every_length_are_converted_and_recorded(
    tmp_path: Path, ms: float, channels: int
) -> None:
    target = tmp_path / "said.wav"
    async with exchange() as at:
        heard = await said(
            at, ms, channels, c.Link("a", "b", convert=True), c.Record("a", "r", str(target)),
        )  # fmt: skip
        await at.do(c.StopRecord("r"))
        recorded = await at.event("recorded")
        assert isinstance(recorded, Recorded)
        (channel,) = read_channels(target)
        assert 1900 <= recorded.duration_ms <= 2400
        # What ffmpeg makes two channels of has 3 dB less in each.
        softer = 3.0 * (channels - 1)
        assert tone_level_dbfs(channel, HZ) == pytest.approx(-7.0 - softer, abs=1.0)
        assert 14_000 <= len(heard) <= 16_800
        assert strength(heard[4000:12_000], HZ) == pytest.approx(-10.0 - softer, abs=1.0)
        assert (await at.figures("a")).late == 0


@pytest.mark.rfc("6716", "3.2")
@pytest.mark.parametrize("ms", LENGTHS_MS)
async def test_packets_of_every_length_are_heard_in_a_room(ms: float) -> None:
    async with exchange() as at:
        room = c.OpenRoom("room", "call", 16_000)
        heard = await said(at, ms, 1, c.Join("b", "room"), room, c.Join("a", "room"))
        assert len(heard) >= 12_000
        assert strength(heard[-8000:-2000], HZ) == pytest.approx(-10.0, abs=3.0)
