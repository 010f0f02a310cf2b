"""A running exchange under random and mutated bytes over UDP, TCP and WebSocket, and what the fuzzer can see."""

from __future__ import annotations

from mmap import mmap
from random import Random
from typing import Any

import pytest

from fuzz import running
from fuzz.running import fuzz_running
from trunkline.ua.endpoint import Endpoint

INPUTS = 1500


def test_it_goes_on_answering_and_nothing_breaks() -> None:
    outcome = fuzz_running(Random(7), inputs=INPUTS)  # noqa: S311  (repeatable, no secret)
    assert outcome.finding is None, outcome.finding
    assert outcome.tried == INPUTS
    assert outcome.accepted == INPUTS // running.ROUND


def test_an_exception_in_the_endpoint_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    received = Endpoint.receive

    def receive(self: Endpoint, data: bytes, flow: Any) -> None:
        if b"INVITE" in data:
            raise KeyError("a bug")
        received(self, data, flow)

    monkeypatch.setattr(Endpoint, "receive", receive)
    outcome = fuzz_running(Random(7), inputs=INPUTS)  # noqa: S311  (repeatable, no secret)
    assert outcome.finding is not None
    assert "callbacks" in outcome.finding.problem
    assert outcome.finding.data


def test_an_exchange_that_falls_silent_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Endpoint, "receive", lambda *_: None)
    monkeypatch.setattr(running, "ANSWER_S", 0.2)
    outcome = fuzz_running(Random(7), inputs=INPUTS)  # noqa: S311  (repeatable, no secret)
    assert outcome.finding is not None
    assert "OPTIONS was not answered" in outcome.finding.problem


def test_growth_is_seen() -> None:
    before = running._resident()
    # Pages of the kernel's: a bytearray may get memory that the process has used before, and still holds.
    with mmap(-1, running.GROWTH_BYTES) as kept:
        for page in range(0, running.GROWTH_BYTES, 4096):
            kept[page] = 1
        assert running._resident() - before > running.GROWTH_BYTES // 2
