"""The signals of countries: each is what a telephone network can send, and sounds like what it is."""

from __future__ import annotations

from typing import get_args

import pytest

from trunkline.media.signals import COUNTRIES, SIGNALS, SignalName, signal_of
from trunkline.media.sound_commands import ToneStep

EACH = [(country, signal) for country in COUNTRIES for signal in get_args(SignalName)]


@pytest.mark.parametrize(("country", "signal"), EACH)
def test_every_signal_is_sane(country: str, signal: SignalName) -> None:
    steps = signal_of(country, signal)
    assert steps
    assert all(len(step.frequencies_hz) <= 4 for step in steps)
    assert all(300 <= hz <= 2000 for step in steps for hz in step.frequencies_hz)
    assert all(40 <= step.duration_ms <= 14_000 for step in steps if step.frequencies_hz and len(steps) > 1)
    assert any(step.frequencies_hz for step in steps)
    # What never ends stands alone.
    assert all(step.duration_ms for step in steps) or len(steps) == 1


@pytest.mark.parametrize("country", COUNTRIES)
def test_ringback_pauses_longer_than_it_rings_and_a_call_waits_longer_still(country: str) -> None:
    for signal in ("ringback", "waiting"):
        steps = signal_of(country, signal)
        assert _silence_ms(steps[-1:]) > max(step.duration_ms for step in steps if step.frequencies_hz)
    assert _silence_ms(signal_of(country, "ringback")) <= 5000


@pytest.mark.parametrize("country", COUNTRIES)
def test_busy_is_as_long_as_its_pauses_and_congestion_is_not_slower_unless_it_is_said(country: str) -> None:
    on, off = signal_of(country, "busy")
    assert on.duration_ms == off.duration_ms
    assert not off.frequencies_hz
    slower = {"CN", "GB", "AU", "BR", "ES", "TR", "SE", "CO"}
    assert country in slower or signal_of(country, "congestion")[0].duration_ms <= on.duration_ms


@pytest.mark.parametrize("country", COUNTRIES)
def test_busy_and_congestion_have_the_same_frequencies(country: str) -> None:
    busy, congestion = (
        {tuple(step.frequencies_hz) for step in signal_of(country, name)} for name in ("busy", "congestion")
    )
    assert busy == congestion


@pytest.mark.parametrize(("country", "beats_hz"), [("IN", 25), ("JP", 16), ("SG", 24), ("ZA", 34)])
def test_a_modulated_tone_stands_as_two_that_beat_as_quickly(country: str, beats_hz: float) -> None:
    low, high = signal_of(country, "ringback")[0].frequencies_hz
    assert high - low == beats_hz


def test_there_are_many_countries_by_their_codes_and_each_has_every_signal() -> None:
    assert len(COUNTRIES) >= 20
    assert all(len(code) == 2 and code.isupper() for code in COUNTRIES)
    assert SIGNALS == ("ringback", "busy", "congestion", "dial", "waiting", "special")


def test_a_signal_is_given_in_steps_at_one_level_however_many_tones_it_has() -> None:
    assert signal_of("de", "ringback") == [ToneStep([425.0], 1000, -16.0), ToneStep([], 4000, -16.0)]
    assert signal_of("US", "dial") == [ToneStep([350.0, 440.0], 0, -19.0)]


def test_an_unknown_country_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        signal_of("XX", "busy")


def _silence_ms(steps: list[ToneStep]) -> int:
    return sum(step.duration_ms for step in steps if not step.frequencies_hz)
