"""Tones written and recognised: sine waves into WAV files, level and frequency out of recordings.

Levels are in dBFS: 0 dBFS is the sine whose peaks reach full scale. One frequency is measured by the
Goertzel algorithm over blocks of 100 ms under a Hann window.
"""

from __future__ import annotations

import array
import math
import statistics
import sys
import wave
from dataclasses import dataclass
from pathlib import Path

BLOCK_S = 0.1
SILENCE_DBFS = -100.0
_FULL_SCALE = 32768.0


def write_tone(path: Path, hz: float, seconds: float, level_dbfs: float = -10.0, rate: int = 8000) -> Path:
    """Write a mono 16-bit sine of ``hz`` at ``level_dbfs``; returns ``path``."""
    count = int(seconds * rate)
    # A whole number of turns in each second: then one second is all of them.
    distinct = rate if float(hz).is_integer() else count
    peak = 10 ** (level_dbfs / 20) * (_FULL_SCALE - 1)
    step = 2 * math.pi * hz / rate
    samples = array.array("h", (round(peak * math.sin(step * n)) for n in range(min(distinct, count))))
    return write_recording(path, (samples * -(-count // max(distinct, 1)))[:count], rate)


def write_recording(path: Path, samples: array.array[int], rate: int) -> Path:
    """Write 16-bit ``samples`` as a mono WAV file; returns ``path``."""
    if sys.byteorder == "big":
        samples = samples[:]
        samples.byteswap()
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples.tobytes())
    return path


@dataclass(frozen=True, slots=True)
class Recording:
    """Mono samples in -1.0..1.0 at ``rate`` Hz."""

    rate: int
    samples: array.array[float]

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    def levels_dbfs(self, hz: float, step_s: float = BLOCK_S) -> list[float]:
        """The level at ``hz`` in each whole block of 100 ms; another begins after each ``step_s``."""
        size = int(self.rate * BLOCK_S)
        window = [0.5 - 0.5 * math.cos(2 * math.pi * n / size) for n in range(size)]
        starts = range(0, len(self.samples) - size + 1, int(self.rate * step_s))
        return [_goertzel_dbfs(self.samples[at : at + size], window, hz / self.rate) for at in starts]


def read_recording(path: Path) -> Recording:
    """Read a mono 16-bit WAV file; raises ``ValueError`` for any other layout."""
    channels = read_channels(path)
    if len(channels) != 1:
        raise ValueError(f"{path.name}: expected mono audio of 16 bits")
    return channels[0]


def read_channels(path: Path) -> list[Recording]:
    """Read the channels of a 16-bit WAV file; raises ``ValueError`` for any other layout."""
    with wave.open(str(path), "rb") as file:
        if file.getsampwidth() != 2:
            raise ValueError(f"{path.name}: expected audio of 16 bits")
        samples = array.array("h", file.readframes(file.getnframes()))
        rate, count = file.getframerate(), file.getnchannels()
    if sys.byteorder == "big":
        samples.byteswap()
    scaled = array.array("d", (value / _FULL_SCALE for value in samples))
    return [Recording(rate, scaled[channel::count]) for channel in range(count)]


def level_dbfs(recording: Recording) -> float:
    """The level of whatever is there, against that of a full-scale sine; -100.0 for silence."""
    power = sum(value * value for value in recording.samples) / max(len(recording.samples), 1)
    return max(10 * math.log10(max(2 * power, 1e-10)), SILENCE_DBFS)


def tone_level_dbfs(recording: Recording, hz: float) -> float:
    """The median level at ``hz`` over the blocks of 100 ms; -100.0 for silence or no audio at all."""
    return statistics.median(recording.levels_dbfs(hz) or [SILENCE_DBFS])


def _goertzel_dbfs(block: array.array[float], window: list[float], cycles_per_sample: float) -> float:
    coefficient = 2 * math.cos(2 * math.pi * cycles_per_sample)
    before, last = 0.0, 0.0
    for sample, weight in zip(block, window, strict=True):
        before, last = last, sample * weight + coefficient * last - before
    power = max(0.0, before * before + last * last - coefficient * before * last)
    # A Hann window halves the sum; a sine of amplitude A then gives A * size / 4.
    amplitude = math.sqrt(power) * 4 / len(window)
    return max(SILENCE_DBFS, 20 * math.log10(amplitude)) if amplitude > 0 else SILENCE_DBFS
