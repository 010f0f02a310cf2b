"""Make the spoken prompts: each text of ``prompts/LANGUAGE.toml`` becomes a WAV file of 8000 Hz, 16 bits, mono.

espeak-ng reads the texts; what it gives is brought to 8000 Hz, freed of the silence around it and made equally loud.
"""

from __future__ import annotations

import functools
import io
import math
import re
import struct
import subprocess
import sys
import tomllib
import wave
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import mul
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "prompts"
PRODUCTS = ROOT / "src" / "trunkline" / "prompts"

RATE_HZ = 8000
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_REACH = 32  # samples of 8000 Hz that the filter looks either way
_CUTOFF_HZ = 3690.0
_QUIET = 10 ** (-50 / 20) * 32767  # what is quieter is silence: -50 dBov
_EDGE = RATE_HZ * 15 // 1000  # kept before the first sound and behind the last


def main() -> int:
    """Make the prompts of every language; what does not belong there any more is removed."""
    for source in sorted(SOURCES.glob("*.toml")):
        make_language(load(source), PRODUCTS / source.stem)
    return 0


def load(source: Path) -> dict[str, Any]:
    """The tables ``voice``, ``tones`` and ``texts``; ValueError names what is wrong."""
    tables = tomllib.loads(source.read_text(encoding="utf-8"))
    for name in names_of(tables):
        if NAME.fullmatch(name) is None:
            raise ValueError(f"{source}: {name!r} is no name for a prompt: small letters, digits, hyphens")
    empty = [name for name, text in tables["texts"].items() if not text.strip()]
    if empty or tables["texts"].keys() & tables["tones"].keys():
        raise ValueError(f"{source}: every prompt needs one text or one tone: {', '.join(empty)}")
    return tables


def names_of(tables: dict[str, Any]) -> list[str]:
    """The names of all prompts."""
    return [*tables["tones"], *tables["texts"]]


def make_language(tables: dict[str, Any], folder: Path) -> None:
    """Write every prompt of a language into its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, tone in tables["tones"].items():
        write(folder / f"{name}.wav", sine(**tone))
    with ThreadPoolExecutor() as pool:
        spoken = list(pool.map(lambda text: speak(text, tables["voice"]), tables["texts"].values()))
    for name, (samples, rate_hz) in zip(tables["texts"], spoken, strict=True):
        sound = levelled(trimmed(resampled(samples, rate_hz)), tables["voice"]["level_dbov"])
        write(folder / f"{name}.wav", sound)
    wanted = {f"{name}.wav" for name in names_of(tables)}
    for stale in folder.iterdir():
        if stale.name not in wanted:
            stale.unlink()


def speak(text: str, voice: dict[str, Any]) -> tuple[list[int], int]:
    """Samples and their rate, as espeak-ng says the text."""
    options = ["-v", voice["name"], "-s", str(voice["words_per_minute"]), "-p", str(voice["pitch"])]
    command = ["espeak-ng", *options, "--stdout", text]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    with wave.open(io.BytesIO(said)) as file:
        octets = said[44:]  # it cannot go back in a pipe to fill the length into the header
        return list(
            struct.unpack(f"<{len(octets) // 2}h", octets[: len(octets) // 2 * 2])
        ), file.getframerate()


def resampled(samples: Sequence[int], rate_hz: int) -> list[float]:
    """The sound at 8000 Hz, without what would fold back."""
    common = math.gcd(rate_hz, RATE_HZ)
    up, down = RATE_HZ // common, rate_hz // common
    half = math.ceil(_REACH * rate_hz / RATE_HZ)
    filters = _filters(rate_hz, up, half)
    padded = [0] * half + list(samples) + [0] * half
    sound = []
    for place in range(0, len(samples) * up, down):
        at, phase = divmod(place, up)
        sound.append(sum(map(mul, filters[phase], padded[at : at + 2 * half])))
    return sound


@functools.cache
def _filters(rate_hz: int, up: int, half: int) -> list[list[float]]:
    return [_filter(phase / up, half, rate_hz) for phase in range(up)]


def _filter(offset: float, half: int, rate_hz: int) -> list[float]:
    """A sinc under a Blackman window, for a place that lies ``offset`` of a sample behind one."""
    cutoff = 2 * _CUTOFF_HZ / rate_hz
    weights = []
    for tap in range(2 * half):
        distance = tap - half - offset
        turn = math.pi * distance / half
        window = 0.42 + 0.5 * math.cos(turn) + 0.08 * math.cos(2 * turn)
        angle = math.pi * cutoff * distance
        weights.append(window * (math.sin(angle) / angle if angle else 1.0))
    total = sum(weights)
    return [weight / total for weight in weights]


def trimmed(sound: list[float]) -> list[float]:
    """The sound without the silence before and behind it."""
    loud = [at for at, sample in enumerate(sound) if abs(sample) > _QUIET]
    if not loud:
        raise ValueError("espeak-ng said nothing")
    return sound[max(loud[0] - _EDGE, 0) : loud[-1] + _EDGE]


def levelled(sound: list[float], level_dbov: float) -> list[int]:
    """The sound with this level on average, no sample beyond full scale."""
    power = sum(sample * sample for sample in sound) / len(sound)
    wanted = 32767 * 10 ** (level_dbov / 20)
    factor = min(wanted / math.sqrt(power), 32767 / max(abs(sample) for sample in sound))
    return [round(sample * factor) for sample in sound]


def sine(hertz: float, milliseconds: int, level_dbov: float) -> list[int]:
    """A tone; its edges are softened so that they do not click."""
    peak = 32767 * math.sqrt(2) * 10 ** (level_dbov / 20)
    count = RATE_HZ * milliseconds // 1000
    step = math.tau * hertz / RATE_HZ
    return [round(peak * min(1, n / 40, (count - n) / 40) * math.sin(step * n)) for n in range(count)]


def write(path: Path, samples: list[int]) -> None:
    """Write a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))


if __name__ == "__main__":
    sys.exit(main())
