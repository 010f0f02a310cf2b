"""Whether a tone was heard: one frequency of a recorded WAV file, measured by Goertzel's algorithm."""

from __future__ import annotations

import array
import math
import sys
import wave
from pathlib import Path
from typing import Final

from trunkline.base.errors import ConfigError

BLOCK_S: Final = 0.1
PURITY: Final = 0.5
"""What share of a block's power must lie at the frequency: speech and noise have far less."""
QUIET: Final = 100.0
"""Root mean square, of 32767, below which a block counts as silence."""


def heard_s(file: Path, frequency_hz: float) -> float:
    """For how many seconds the tone stands out in a mono file of 16 bits; raises ConfigError for another file."""
    try:
        with wave.open(str(file), "rb") as sound:
            rate, shape = sound.getframerate(), (sound.getnchannels(), sound.getsampwidth())
            frames = sound.readframes(sound.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise ConfigError("phone", "the recording", str(file), f"a WAV file ({error})") from None
    if shape != (1, 2):
        raise ConfigError("phone", "the recording", str(file), "a mono WAV file of 16 bits")
    samples = array.array("h", frames)
    if sys.byteorder == "big":
        samples.byteswap()
    size = int(rate * BLOCK_S)
    blocks = (samples[at : at + size] for at in range(0, len(samples) - size + 1, size))
    return sum(_stands_out(block, frequency_hz / rate) for block in blocks) * BLOCK_S


def _stands_out(block: array.array[int], cycles_per_sample: float) -> bool:
    power = sum(sample * sample for sample in block)
    if power < QUIET * QUIET * len(block):
        return False
    factor = 2 * math.cos(2 * math.pi * cycles_per_sample)
    before = last = 0.0
    for sample in block:
        before, last = last, sample + factor * last - before
    at_frequency = last * last + before * before - factor * last * before
    # A pure sine of n samples has n/2 times its whole power there.
    return at_frequency >= PURITY * power * len(block) / 2
