"""WAV files and G.711 for the tests: written and read here, independently of the engine."""

from __future__ import annotations

import asyncio
import math
import struct
import wave
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from tests.loopback.media.rtp_phone import Phone

Measured = TypeVar("Measured")

RATE_HZ = 8000
PATIENCE_S = 60.0


def linear(octet: int, payload_type: int) -> int:
    """A G.711 octet as a linear sample (ITU-T G.711)."""
    if payload_type == 0:
        bits = ~octet & 0xFF
        value = (((bits & 15) << 3) + 0x84 << (bits >> 4 & 7)) - 0x84
        return -value if bits & 0x80 else value
    bits = octet ^ 0x55
    segment = bits >> 4 & 7
    value = ((bits & 15) << 4) + (8 if segment == 0 else 0x108)
    value <<= max(segment - 1, 0)
    return value if bits & 0x80 else -value


OCTETS = {linear(octet, 0): octet for octet in range(256)}
LEVELS = sorted(OCTETS)


def companded(sample: int) -> int:
    """The µ-law octet nearest to a linear sample."""
    return OCTETS[min(LEVELS, key=lambda level: abs(level - sample))]


def sine(frequency_hz: float, seconds: float, rate_hz: int = RATE_HZ, level_dbov: float = -10.0) -> list[int]:
    """Samples of a sine; its level as ITU-T G.100.1 counts it."""
    peak = 32767 * math.sqrt(2) * 10 ** (level_dbov / 20)
    step = math.tau * frequency_hz / rate_hz
    return [round(peak * math.sin(step * n)) for n in range(round(seconds * rate_hz))]


def write_wav(path: Path, channels: list[list[int]], rate_hz: int = RATE_HZ, bits: int = 16) -> Path:
    """A PCM file with these channels."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(bits // 8)
        file.setframerate(rate_hz)
        samples = [sample for block in zip(*channels, strict=True) for sample in block]
        if bits == 16:
            file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
        else:
            file.writeframes(bytes((sample >> 8) + 128 for sample in samples))
    return path


def read_wav(path: Path) -> list[list[int]]:
    """The channels of a recording, which must be 16 bits at 8000 Hz."""
    with wave.open(str(path), "rb") as file:
        assert (file.getsampwidth(), file.getframerate()) == (2, RATE_HZ)
        octets = file.readframes(file.getnframes())
        count = file.getnchannels()
    samples = struct.unpack(f"<{len(octets) // 2}h", octets)
    return [list(samples[channel::count]) for channel in range(count)]


async def listen(phone: Phone, packets: int) -> tuple[list[int], list[bytes]]:
    """Linear samples and headers of the next packets."""
    heard = [await phone.hear() for _ in range(packets)]
    samples = [linear(octet, packet[1] & 0x7F) for packet in heard for octet in packet[12:]]
    return samples, [packet[:12] for packet in heard]


async def measure_until(
    measure: Callable[[], Awaitable[Measured]], is_right: Callable[[Measured], bool]
) -> None:
    """Measure again and again until it is right: who speaks by the clock leaves gaps where the machine was busy."""
    last: Measured | None = None
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not is_right(last := await measure()):
                pass
    except TimeoutError:
        raise AssertionError(f"it was never right, at last {last}") from None
