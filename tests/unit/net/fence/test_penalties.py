"""Penalties: when the first comes, how they grow, how they fade, how much is remembered."""

from __future__ import annotations

import pytest

from trunkline.net.fence.penalties import Penalties, Scale

SCALE = Scale(attempts=3, window_s=30, first_s=10, longest_s=80)


def served(penalties: Penalties[str], at: float, times: int = 3) -> float:
    """The penalty that so many attempts at one moment bring."""
    return [penalties.count("a", at) for _ in range(times)][-1]


@pytest.mark.parametrize(
    ("gaps", "banned"),
    [
        ([0, 0, 0], True),
        ([0, 5, 5], False),
        ([0, 5, 5, 0], True),
        ([10] * 20, False),  # as slowly as attempts fade
        ([9] * 40, True),
        ([0, 0, 30, 0], False),
    ],
)
def test_attempts_fade_evenly(gaps: list[float], *, banned: bool) -> None:
    penalties: Penalties[str] = Penalties(SCALE)
    now, found = 100.0, []
    for gap in gaps:
        now += gap
        found.append(penalties.count("a", now) > 0)
    assert any(found) is banned
    assert penalties.is_under("a", now) is found[-1]


def test_each_penalty_is_twice_the_last_up_to_the_longest() -> None:
    penalties: Penalties[str] = Penalties(SCALE)
    now, seconds = 0.0, []
    for _ in range(6):
        now += 1
        seconds.append(served(penalties, now))
        assert penalties.is_under("a", now + seconds[-1] - 0.1)
        now += seconds[-1]
        assert not penalties.is_under("a", now)
    assert seconds == [10, 20, 40, 80, 80, 80]


@pytest.mark.parametrize(("quiet_s", "next_s"), [(79, 80), (80, 40), (160, 20), (240, 10), (10_000, 10)])
def test_quiet_forgives_one_doubling_after_another(quiet_s: float, next_s: float) -> None:
    penalties: Penalties[str] = Penalties(SCALE)
    now = 0.0
    for _ in range(3):
        now += served(penalties, now) + 1
    assert served(penalties, now - 1 + quiet_s) == next_s


def test_the_same_request_again_is_no_attempt() -> None:
    penalties: Penalties[str] = Penalties(SCALE)
    assert not any(penalties.count("a", 0.0, mark=7) for _ in range(10))
    assert [penalties.count("a", 0.0, mark=mark) > 0 for mark in (8, 9)] == [False, True]


def test_a_part_of_an_attempt_counts_as_such() -> None:
    penalties: Penalties[str] = Penalties(SCALE)
    assert [penalties.count("a", 0.0, 0.1) > 0 for _ in range(30)].index(True) == 29


def test_the_oldest_offender_is_forgotten_when_there_are_too_many() -> None:
    penalties: Penalties[str] = Penalties(SCALE, capacity=2)
    for key in ("a", "b", "a", "c"):
        penalties.count(key, 0.0)
    assert len(penalties) == 2
    assert penalties.count("a", 0.0) > 0, "its third"
    assert not penalties.count("b", 0.0)


def test_what_is_forgiven_begins_anew() -> None:
    penalties: Penalties[str] = Penalties(SCALE)
    served(penalties, 0.0)
    penalties.forget("a")
    assert not penalties.is_under("a", 1.0)
    assert served(penalties, 100.0) == 10
