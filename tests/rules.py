"""`pytest --rules`: which rule of interoperability is proven by which tests, and whether they pass."""

from __future__ import annotations

import tomllib
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from rich.console import Console
from rich.table import Table

RULES: Final = Path(__file__).with_name("rules.toml")
_WIDTH: Final = 140  # where nobody says how wide the screen is, a rule still fits on a line
_WORST_FIRST: Final = ("failed", "skipped", "passed")


@dataclass(frozen=True, slots=True)
class Rule:
    """``later`` names what of it waits for something that does not exist yet; all of it when nothing is proven."""

    number: str
    title: str
    later: str = ""


def rules() -> list[Rule]:
    """All of them, in order."""
    return [Rule(number, **words) for number, words in tomllib.loads(RULES.read_text()).items()]


class RuleReport:
    """Counts outcomes for each rule, over all processes of a run, and prints them in the end."""

    def __init__(self) -> None:
        self._outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.outcome == "passed":
            return
        for name, value in report.user_properties:
            if name == "rule":
                self._outcomes[str(value)][report.outcome] += 1

    def pytest_terminal_summary(self) -> None:
        console = Console()
        console.width = max(console.width, _WIDTH)
        console.print(self.table())

    def table(self) -> Table:
        """A row for each rule; one that nothing proves says so."""
        table = Table("rule", "what", "tests", "outcome", box=None, header_style="bold")
        for rule in rules():
            counts = self._outcomes[rule.number]
            table.add_row(rule.number, rule.title, str(sum(counts.values()) or ""), _outcome(rule, counts))
        return table

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A rule that nothing proves is a failure, unless all of it is for later."""
        if any(not self._outcomes[rule.number] and not rule.later for rule in rules()):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _outcome(rule: Rule, counts: Counter[str]) -> str:
    worst = next((each for each in _WORST_FIRST if counts[each]), "")
    said = f"{counts[worst]} {worst}" if worst in _WORST_FIRST[:2] else worst
    if rule.later:
        return f"{said}; later: {rule.later}".removeprefix("; ")
    return said or "NOT PROVEN"


def marked_rules(item: pytest.Item) -> list[str]:
    """The rules that a test carries."""
    return [str(mark.args[0]) for mark in item.iter_markers("rule")]
