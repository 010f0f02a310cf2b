"""The table of `make rules` says what it must."""

from __future__ import annotations

import io
from collections import Counter
from typing import Literal

import pytest
from rich.console import Console

from tests.rules import Rule, RuleReport, _outcome, rules


def told(
    rule: str, outcome: Literal["passed", "failed", "skipped"], when: Literal["setup", "call"] = "call"
) -> pytest.TestReport:
    """The report of one phase of a test that carries the mark of a rule."""
    return pytest.TestReport(
        "test_a", ("a.py", 1, "test_a"), {}, outcome, None, when, user_properties=[("rule", rule)]
    )


@pytest.fixture
def table() -> dict[str, str]:
    report = RuleReport()
    for each in (
        told("T-01", "passed", "setup"),
        told("T-01", "passed"),
        told("T-02", "passed"),
        told("T-02", "failed"),
        told("T-03", "skipped", "setup"),
        told("T-23", "passed"),
    ):
        report.pytest_runtest_logreport(each)
    out = io.StringIO()
    Console(file=out, width=200).print(report.table())
    return {line.split()[0]: line.rstrip() for line in out.getvalue().splitlines()}


def test_outcomes_are_counted_by_rule(table: dict[str, str]) -> None:
    assert table["T-01"].split()[-2:] == ["1", "passed"]
    assert table["T-02"].split()[-3:] == ["2", "1", "failed"]
    assert table["T-03"].split()[-3:] == ["1", "1", "skipped"]
    assert table["T-23"].endswith(" 1      passed")


def test_a_rule_that_nothing_proves_is_seen(table: dict[str, str]) -> None:
    assert table["T-07"].endswith("NOT PROVEN")


def test_there_are_forty_rules_and_none_is_wholly_for_later() -> None:
    assert [rule.number for rule in rules()] == [f"T-{number:02}" for number in range(1, 41)]
    assert [rule.number for rule in rules() if rule.later.startswith("all")] == []


def test_what_waits_for_later_is_said() -> None:
    assert _outcome(Rule("T-01", "Something", "the rest"), Counter(passed=1)) == "passed; later: the rest"
