"""The loop: mutants into a target until a number of them, or the time, is used up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from random import Random

from fuzz.mutate import mutant
from fuzz.targets import Target, seeds_of
from trunkline.base.errors import RemoteProtocolError

SLOW_S = 1.0  # of processor time, for an input of at most 70 kB: parsers must be linear
TRIES = 3  # before an input counts as slow: what the collector or the machine did meanwhile is not its fault


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that a target should have taken or refused with RemoteProtocolError."""

    data: bytes
    problem: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """``tried`` inputs, of which ``accepted`` were no error; the first finding ends a run."""

    tried: int
    accepted: int
    finding: Finding | None


def fuzz(
    target: Target,
    dice: Random,
    *,
    seconds: float = float("inf"),
    inputs: int | None = None,
    slow_s: float = SLOW_S,
) -> Outcome:
    """Feed the seeds as they are, then mutants, until ``inputs`` were tried or ``seconds`` are over.

    An input on which the target spends more than ``slow_s`` seconds of processor time is a finding.
    """
    started, accepted = time.monotonic(), 0
    for tried, data in enumerate(_inputs(seeds_of(target), dice), start=1):
        problem = attempt(target, data, slow_s)
        if problem:
            return Outcome(tried, accepted, Finding(data, problem))
        accepted += problem == ""
        if tried == inputs or time.monotonic() - started > seconds:
            return Outcome(tried, accepted, None)
    raise AssertionError("mutants never end")


def attempt(target: Target, data: bytes, slow_s: float = SLOW_S) -> str | None:
    """None when ``data`` was refused as it should be, empty when it was taken, else what is wrong."""
    took = 0.0
    for _ in range(TRIES):
        started = time.thread_time()
        try:
            target.run(data)
        except RemoteProtocolError:
            answer = None
        except Exception as error:  # noqa: BLE001  (any other exception is what is looked for)
            return f"{type(error).__name__}: {error}"
        else:
            answer = ""
        took = time.thread_time() - started
        if took <= slow_s:
            return answer
    return f"took {took:.1f} s for {len(data)} bytes"


def _inputs(seeds: list[bytes], dice: Random) -> Iterator[bytes]:
    yield from seeds
    yield from (mutant(seeds, dice) for _ in count())
