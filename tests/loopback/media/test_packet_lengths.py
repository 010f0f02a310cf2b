"""Opus in packets of every length, one frame or several in each, towards everything that decodes it."""

from __future__ import annotations

import array
import asyncio
import struct
from pathlib import Path

import pytest

from tests.loopback.media.codecs import OPUS, PCMU, formats, ogg_packets
from tests.loopback.media.rtp_phone import Exchange, Phone, exchange
from tests.loopback.media.sound import linear, measure_until, sine
from tests.peers.ffmpeg import ffmpeg
from tests.peers.tones import Recording, read_channels, tone_level_dbfs
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


async def say(phone: Phone, port: c.PortOpened, payloads: list[bytes], ms: float) -> int:
    """Returns how many packets went out after their time, the machine being busy."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    behind = 0
    for n, payload in enumerate(payloads):
        stamp = round(n * ms * 48)
        header = struct.pack("!BBHII", 0x80, OPUS.payload_type, n & 0xFFFF, stamp, 9)
        behind += loop.time() > began + (n * ms + 10) / 1000
        phone.rtp.sendto(header + payload, (port.address, port.rtp_port))
        await asyncio.sleep(began + (n + 1) * ms / 1000 - loop.time())
    return behind


def level_dbov(samples: list[int]) -> float:
    """The tone's level in most of it: where the machine was busy with others there is a gap."""
    scaled = array.array("d", (sample / 32_768 for sample in samples))
    return tone_level_dbfs(Recording(8000, scaled), HZ) - 3.0


async def said(at: Exchange, ms: float, channels: int, *others: c.Command[c.Reply]) -> tuple[list[int], int]:
    """What a phone with G.711 hears of one with Opus, beside what is done, and what ``say`` returned."""
    payloads = packets(ms, channels)
    alice, bob = at.phone(), at.phone()
    a = await at.open("a")
    await at.open("b")
    await at.do(alice.remote("a"), bob.remote("b"), formats("a", OPUS), formats("b", PCMU), *others)
    heard: list[int] = []

    async def hear() -> None:
        while len(heard) < 14_000:
            packet = await bob.hear()
            heard.extend(linear(octet, 0) for octet in packet[12:])

    _, behind = await asyncio.gather(hear(), say(alice, a, payloads, ms))
    return heard, behind


@pytest.mark.rfc("6716", "3.2")
@pytest.mark.rfc("7587", "4.2")
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("ms", LENGTHS_MS)
async def test_packets_of_every_length_are_converted_and_recorded(
    tmp_path: Path, ms: float, channels: int
) -> None:
    target = tmp_path / "said.wav"
    async with exchange() as at:
        heard, behind = await said(
            at, ms, channels, c.Link("a", "b", convert=True), c.Record("a", "r", str(target)),
        )  # fmt: skip
        await at.do(c.StopRecord("r"))
        recorded = await at.event("recorded")
        assert isinstance(recorded, Recorded)
        (channel,) = read_channels(target)
        assert recorded.duration_ms >= 1900
        # What ffmpeg makes two channels of has 3 dB less in each.
        softer = 3.0 * (channels - 1)
        assert tone_level_dbfs(channel, HZ) == pytest.approx(-7.0 - softer, abs=1.0)
        assert level_dbov(heard[4000:12_000]) == pytest.approx(-10.0 - softer, abs=1.0)
        assert (await at.figures("a")).late <= behind
        out = await at.figures_when("b", lambda now: now.packets_out >= 94)
        assert out.packets_out <= 105


@pytest.mark.rfc("6716", "3.2")
@pytest.mark.parametrize("ms", LENGTHS_MS)
async def test_packets_of_every_length_are_heard_in_a_room(ms: float) -> None:
    payloads = packets(ms)
    async with exchange() as at:
        alice, bob = at.phone(), at.phone()
        a, _ = await at.open("a"), await at.open("b")
        await at.do(alice.remote("a"), bob.remote("b"), formats("a", OPUS), formats("b", PCMU))
        await at.do(c.OpenRoom("room", "call", 16_000), c.Join("a", "room"), c.Join("b", "room"))
        talking = asyncio.ensure_future(say(alice, a, payloads * 40, ms))

        async def level() -> float:
            heard: list[int] = []
            while len(heard) < 14_000:
                heard.extend(linear(octet, 0) for octet in (await bob.hear())[12:])
            return level_dbov(heard)

        await measure_until(level, lambda dbov: abs(dbov + 10.0) <= 3.0)
        talking.cancel()
