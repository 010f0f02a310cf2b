"""How loud a tone is in a recording, by Goertzel's algorithm."""

from __future__ import annotations

import array
import math
import statistics
import sys
import wave
from pathlib import Path
from typing import Final

BLOCK_S: Final = 0.1
SILENCE_DBFS: Final = -100.0
_FULL_SCALE: Final = 32768.0


def tone_dbfs(file: Path, frequency_hz: float, for_s: float = 0.5) -> float:
    """The level of one frequency over the last ``for_s`` seconds of a mono WAV file of 16 bits.

    0 is a sine at full scale; the median of blocks of 0.1 s, ``SILENCE_DBFS`` for a file that is shorter.
    Raises OSError, wave.Error.
    """
    with wave.open(str(file), "rb") as sound:
        rate = sound.getframerate()
        samples = array.array("h", sound.readframes(sound.getnframes()))
    if sys.byteorder == "big":
        samples.byteswap()
    size, wanted = int(rate * BLOCK_S), round(for_s / BLOCK_S)
    starts = range(len(samples) - wanted * size, len(samples), size)
    if starts.start < 0:
        return SILENCE_DBFS
    return statistics.median(level_dbfs(samples[at : at + size], frequency_hz / rate) for at in starts)


def level_dbfs(block: array.array[int], cycles_per_sample: float) -> float:
    """The level of one frequency in these samples."""
    factor = 2 * math.cos(2 * math.pi * cycles_per_sample)
    before = last = 0.0
    for sample in block:
        before, last = last, sample + factor * last - before
    power = last * last + before * before - factor * last * before
    amplitude = 2 * math.sqrt(max(0.0, power)) / len(block) / _FULL_SCALE
    return max(SILENCE_DBFS, 20 * math.log10(amplitude)) if amplitude else SILENCE_DBFS
