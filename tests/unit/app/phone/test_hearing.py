"""A tone is heard where it is, and not where something else is."""

from __future__ import annotations

import array
import math
import random
import wave
from pathlib import Path

import pytest

from trunkline.app.phone.hearing import heard_s
from trunkline.base.errors import ConfigError

RATE = 8000


def sine(frequency_hz: float, seconds: float, amplitude: float = 8000.0) -> list[int]:
    step = 2 * math.pi * frequency_hz / RATE
    return [round(amplitude * math.sin(step * at)) for at in range(int(seconds * RATE))]


def noise(seconds: float) -> list[int]:
    dice = random.Random(7)  # noqa: S311  (the same noise each time)
    return [dice.randint(-8000, 8000) for _ in range(int(seconds * RATE))]


def write(path: Path, samples: list[int], channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(array.array("h", samples).tobytes())
    return path


@pytest.mark.parametrize("frequency_hz", [440.0, 1004.0, 425.0, 3000.0])
def test_a_tone_is_heard_for_as_long_as_it_sounds(tmp_path: Path, frequency_hz: float) -> None:
    samples = [0] * RATE + sine(frequency_hz, 1.5) + [0] * RATE
    assert heard_s(write(tmp_path / "x.wav", samples), frequency_hz) == pytest.approx(1.5, abs=0.2)


@pytest.mark.parametrize(
    "samples", [sine(700, 2), noise(2), [0] * RATE, sine(440, 2, amplitude=40), []], ids=len
)
def test_another_tone_noise_and_silence_are_not_it(tmp_path: Path, samples: list[int]) -> None:
    assert heard_s(write(tmp_path / "x.wav", samples), 440) == 0


def test_a_tone_under_some_noise_is_still_heard(tmp_path: Path) -> None:
    mixed = [tone + hiss // 8 for tone, hiss in zip(sine(440, 2), noise(2), strict=True)]
    assert heard_s(write(tmp_path / "x.wav", mixed), 440) > 1.5


def test_other_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no sound")
    for file in (tmp_path / "nowhere", tmp_path / "text", write(tmp_path / "two.wav", [0, 0], 2)):
        with pytest.raises(ConfigError, match="WAV"):
            heard_s(file, 440)
