"""The spoken prompts: texts, files and what the code asks for agree, and the files are fit to be played."""

from __future__ import annotations

import math
import struct
import wave
from pathlib import Path

import pytest

from scripts import prompts

LANGUAGES = sorted(prompts.SOURCES.glob("*.toml"))
FILES = sorted(prompts.PRODUCTS.glob("*/*.wav"))


def samples_of(file: Path) -> list[int]:
    with wave.open(str(file)) as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (1, 2, 8000)
        octets = wav.readframes(wav.getnframes())
    return list(struct.unpack(f"<{len(octets) // 2}h", octets))


@pytest.mark.parametrize("source", LANGUAGES, ids=lambda path: path.stem)
def test_every_text_has_its_file_and_every_file_its_text(source: Path) -> None:
    names = prompts.names_of(prompts.load(source))
    assert len(names) == len(set(names))
    assert {file.stem for file in (prompts.PRODUCTS / source.stem).iterdir()} == set(names)


def test_the_numbers_of_a_clock_are_there() -> None:
    texts = prompts.load(prompts.SOURCES / "en.toml")["texts"]
    assert {f"number-{n}" for n in range(60)} <= texts.keys()
    assert len({texts[f"number-{n}"] for n in range(60)}) == 60


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_a_prompt_is_heard_well(file: Path) -> None:
    samples = samples_of(file)
    power = sum(sample * sample for sample in samples) / len(samples)
    assert 10 * math.log10(power / 32767**2) == pytest.approx(-20, abs=3.5)
    assert max(map(abs, samples)) < 32767
    assert 0.1 < len(samples) / 8000 < 6
    # Hardly any silence before and behind: lists of prompts are to be heard as sentences.
    loud = [at for at, sample in enumerate(samples) if abs(sample) > 60]
    assert loud[0] < 0.05 * 8000
    assert len(samples) - loud[-1] < 0.05 * 8000


def test_another_rate_becomes_8000_hz() -> None:
    step = math.tau * 1000 / 22_050
    sound = prompts.resampled([round(8000 * math.sin(step * n)) for n in range(2205)], 22_050)
    assert len(sound) == 800
    wanted = [8000 * math.sin(math.tau * n / 8) for n in range(800)]
    assert max(abs(a - b) for a, b in zip(sound[100:700], wanted[100:700], strict=True)) < 100


@pytest.mark.parametrize(
    ("texts", "wrong"),
    [('Bad = "x"', "'Bad' is no name"), ('empty = " "', "needs one text"), ('beep = "x"', "needs one text")],
)
def test_a_wrong_source_is_named(tmp_path: Path, texts: str, wrong: str) -> None:
    source = tmp_path / "xx.toml"
    source.write_text(f"[tones]\nbeep = {{ hertz = 1 }}\n[texts]\n{texts}\n")
    with pytest.raises(ValueError, match=wrong):
        prompts.load(source)
