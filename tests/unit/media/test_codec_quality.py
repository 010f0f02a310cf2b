"""What codecs, chains of them, and losses leave of speech: scores of PESQ, which is ITU-T P.862."""

from __future__ import annotations

from statistics import mean

import pytest

from tests.unit.media.spoken import over_losses, score, speech, through
from trunkline._native import Codec, Rates


@pytest.mark.parametrize(
    ("codecs", "least"),
    [
        (("PCMU",), 3.8),
        (("PCMA",), 3.8),
        (("G722",), 3.6),
        (("opus",), 4.0),
        (("L16",), 4.5),
        (("PCMU", "opus"), 3.6),
        (("opus", "PCMA"), 3.6),
        (("G722", "PCMU"), 3.4),
        (("PCMU", "G722", "opus", "PCMA"), 2.9),
    ],
)
def test_speech_stays_good_through_codecs_and_chains_of_them(codecs: tuple[str, ...], least: float) -> None:
    assert score(through(*codecs)) >= least


@pytest.mark.parametrize(
    ("codec", "percent", "least"), [("PCMU", 5, 2.4), ("PCMU", 10, 2.0), ("G722", 5, 2.2), ("opus", 5, 2.1)]
)
def test_concealed_losses_sound_better_than_silence(codec: str, percent: int, least: float) -> None:
    repaired = mean(score(over_losses(codec, percent, seed=seed)) for seed in range(3))
    silent = mean(score(over_losses(codec, percent, seed=seed, repair=False)) for seed in range(3))
    assert repaired >= least
    assert repaired >= silent + 0.25


@pytest.mark.parametrize(("percent", "least"), [(5, 3.3), (10, 3.0)])
def test_forward_error_correction_brings_lost_packets_back(percent: int, least: float) -> None:
    assert mean(score(over_losses("opus", percent, seed=seed, fec=True)) for seed in range(3)) >= least


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 48_000])
def test_speech_comes_back_from_every_rate_as_it_was(rate_hz: int) -> None:
    there = Rates(8000, rate_hz).convert(speech())
    assert score(Rates(rate_hz, 8000).convert(there)) >= 4.4


def test_what_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match='expected PCMU, PCMA, G722, opus or L16, got "G729"'):
        Codec("G729")
    with pytest.raises(ValueError, match="no such rate"):
        Codec("L16", rate_hz=7000)
    with pytest.raises(ValueError, match="no such rate"):
        Rates(8000, 7999).convert(b"")
    with pytest.raises(ValueError, match="no frames of this length"):
        Codec("opus").encode(bytes(2))
    with pytest.raises(ValueError, match="not a payload"):
        Codec("opus").decode(b"")
