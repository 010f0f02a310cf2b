"""Events as words and as JSON."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from trunkline.app.phone.outcome import Outcome, PhoneExit
from trunkline.app.phone.telling import Teller, outcome_data
from trunkline.app.terminal import Screen
from trunkline.media.statistics import PortStatistics

FIGURES = PortStatistics("p", packets_in=100, packets_out=99, lost=1, jitter_ms=2.25)


def outcome(status: int = 200, *, heard: bool = True, figures: PortStatistics | None = FIGURES) -> Outcome:
    return Outcome("1002", status, "Reason", status == 200, heard, "peer", 1.0, 2.0, figures)


def told(name: str, *, as_json: bool = False, **data: Any) -> str:
    out = io.StringIO()
    screen = Screen(Console(file=out, width=40), Console(file=io.StringIO()))
    Teller(screen, as_json=as_json, wall=lambda: 5.0)(name, **data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            outcome(),
            "ended by peer: rang 1.0 s, talked 2.0 s, packets in 100 out 99, lost 1, jitter 2.2 ms\n",
        ),
        (outcome(figures=None), "ended by peer: rang 1.0 s, talked 2.0 s\n"),
        (outcome(486), "not answered: 486 Reason (rang 1.0 s)\n"),
    ],
)
def test_the_summary_of_a_call_is_one_line(data: Outcome, words: str) -> None:
    assert told("ended", **outcome_data(data)) == words


def test_json_has_time_name_and_data() -> None:
    line = json.loads(told("ended", as_json=True, **outcome_data(outcome())))
    assert (line["time"], line["event"], line["status"], line["jitter_ms"]) == (5.0, "ended", 200, 2.25)


def test_an_event_without_words_of_its_own_is_told_by_its_values() -> None:
    assert told("news", what="is", it="new") == "news is new\n"


def test_a_caller_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in told("incoming", number="\x1b[2J1001")


def test_exit_codes_say_what_happened() -> None:
    assert outcome().exit_code is PhoneExit.OK
    assert outcome(486).exit_code is PhoneExit.REFUSED
    assert outcome(408, heard=False).exit_code is PhoneExit.UNREACHABLE
