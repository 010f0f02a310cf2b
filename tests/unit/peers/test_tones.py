"""The audio analysis on which the interoperability tests rely measures what was written."""

from __future__ import annotations

import array
import random
from pathlib import Path

import pytest

from tests.peers.tones import (
    SILENCE_DBFS,
    Recording,
    read_recording,
    tone_level_dbfs,
    write_recording,
    write_tone,
)


@pytest.mark.parametrize("level", [-3.0, -10.0, -30.0])
@pytest.mark.parametrize("hz", [440.0, 1000.0])
def test_level_is_measured_within_a_tenth_of_a_decibel(tmp_path: Path, hz: float, level: float) -> None:
    tone = read_recording(write_tone(tmp_path / "tone.wav", hz, 1.0, level))
    assert tone_level_dbfs(tone, hz) == pytest.approx(level, abs=0.1)


def test_another_frequency_is_absent(tmp_path: Path) -> None:
    tone = read_recording(write_tone(tmp_path / "tone.wav", 440, 1.0))
    assert tone_level_dbfs(tone, 1000) < -80


def test_two_tones_are_told_apart(tmp_path: Path) -> None:
    low = read_recording(write_tone(tmp_path / "low.wav", 440, 1.0, -10)).samples
    high = read_recording(write_tone(tmp_path / "high.wav", 1000, 1.0, -20)).samples
    both = Recording(8000, array.array("d", (a + b for a, b in zip(low, high, strict=True))))
    assert tone_level_dbfs(both, 440) == pytest.approx(-10, abs=0.2)
    assert tone_level_dbfs(both, 1000) == pytest.approx(-20, abs=0.2)


def test_noise_is_no_tone() -> None:
    dice = random.Random(7)  # noqa: S311  (noise, not a secret)
    noise = Recording(8000, array.array("d", (dice.uniform(-0.3, 0.3) for _ in range(8000))))
    assert tone_level_dbfs(noise, 440) < -25


def test_silence_and_nothing_at_all_have_the_lowest_level() -> None:
    assert tone_level_dbfs(Recording(8000, array.array("d", bytes(8 * 8000))), 440) == SILENCE_DBFS
    assert tone_level_dbfs(Recording(8000, array.array("d")), 440) == SILENCE_DBFS


def test_a_gap_shows_in_the_blocks(tmp_path: Path) -> None:
    tone = read_recording(write_tone(tmp_path / "tone.wav", 440, 1.0)).samples
    gap = tone[:4000] + array.array("d", bytes(8 * 1600)) + tone[5600:]
    levels = Recording(8000, gap).levels_dbfs(440)
    assert [level > -12 for level in levels] == [True] * 5 + [False] * 2 + [True] * 3


def test_blocks_that_overlap_find_what_is_short(tmp_path: Path) -> None:
    tone = read_recording(write_tone(tmp_path / "tone.wav", 440, 0.15)).samples
    beep = Recording(8000, array.array("d", bytes(8 * 400)) + tone + array.array("d", bytes(8 * 400)))
    assert [level > -12 for level in beep.levels_dbfs(440, 0.05)] == [False, True, True, False]


def test_other_layouts_are_refused(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "stereo.wav", array.array("h", [0, 0]), 8000)
    raw = bytearray(path.read_bytes())
    raw[22] = 2  # the number of channels
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="mono"):
        read_recording(path)
