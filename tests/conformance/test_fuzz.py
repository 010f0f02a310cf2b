"""The SIP fuzz targets: each message of the corpus as it is, then some thousand mutants, the same each time."""

from __future__ import annotations

from random import Random

import pytest

from fuzz.loop import attempt, fuzz
from fuzz.targets import TARGETS, seeds_of

INPUTS = 1500
SIP = [name for name in TARGETS if name.startswith("sip-")]


@pytest.mark.parametrize("name", SIP)
def test_every_message_of_the_corpus_is_taken_or_refused_as_it_should_be(name: str) -> None:
    seeds = seeds_of(TARGETS[name])
    assert len(seeds) > 60
    assert [problem for data in seeds if (problem := attempt(TARGETS[name], data))] == []


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", ["sip-answer", "sip-layer"])
def test_whatever_comes_in_only_our_headers_go_out_and_nothing_stays(name: str, seed: int) -> None:
    outcome = fuzz(TARGETS[name], Random(seed), inputs=INPUTS)  # noqa: S311  (repeatable, no secret)
    assert outcome.finding is None, outcome.finding
    assert outcome.accepted > INPUTS // 20
