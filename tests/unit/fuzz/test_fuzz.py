"""Each target takes a thousand mutants, the same in every run; the loop notices what is wrong."""

from __future__ import annotations

import time
from random import Random

import pytest

from fuzz.loop import SLOW_S, TRIES, attempt, fuzz
from fuzz.targets import TARGETS, Target
from trunkline.base.errors import RemoteProtocolError

INPUTS = 1000  # `make fuzz` tries for longer


@pytest.mark.parametrize("name", TARGETS)
def test_target_withstands_mutants(name: str) -> None:
    # Slowness is for `make fuzz` to find: a test that asserts a time fails on a machine that is busy.
    endless = float("inf")
    outcome = fuzz(TARGETS[name], Random(name), inputs=INPUTS, slow_s=endless)  # noqa: S311  (repeatable)
    assert outcome.finding is None, outcome.finding
    assert outcome.accepted > 0, "all mutants were hopeless"


def _refuse(_data: bytes) -> None:
    raise RemoteProtocolError("no")


def _break(data: bytes) -> None:
    raise KeyError(data[:1])


def test_a_refusal_is_no_finding() -> None:
    assert attempt(Target(_refuse, ()), b"x") is None


def test_another_exception_is_a_finding_with_its_input() -> None:
    finding = fuzz(Target(_break, ("fuzz/corpus/sdp/*",)), Random(1), inputs=5).finding  # noqa: S311
    assert finding is not None
    assert finding.problem.startswith("KeyError")


def test_an_input_that_is_slow_each_time_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((0.0, SLOW_S + 0.5) * TRIES)
    monkeypatch.setattr(time, "thread_time", lambda: next(clock))
    assert "took 1.5 s" in (attempt(Target(lambda _data: None, ()), b"x") or "")


def test_an_input_that_was_slow_once_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((0.0, SLOW_S + 0.5, 2.0, 2.1))
    monkeypatch.setattr(time, "thread_time", lambda: next(clock))
    assert attempt(Target(lambda _data: None, ()), b"x") == ""
