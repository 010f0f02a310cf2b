"""Each acceptance scenario of the mobile gateway (`@pytest.mark.scenario(N)`) is proven by some test."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parents[1]
SCENARIOS = range(1, 17)
REAL = {1, 3, 11, 12, 14, 15, 16}
"""Those where somebody else's program or a process of ours over real sockets matters."""


def marks(file: Path) -> Iterator[int]:
    text = file.read_text()
    if ".scenario(" not in text:
        return
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "scenario"
            and isinstance(node.args[0], ast.Constant)
        ):
            yield int(str(node.args[0].value))


@cache
def proven() -> dict[int, set[str]]:
    """The folders of tests that prove each scenario."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    for file in TESTS.rglob("test_*.py"):
        for number in marks(file):
            found[number].add(file.relative_to(TESTS).parts[0])
    return found


def test_each_of_the_sixteen_scenarios_has_a_test() -> None:
    assert sorted(proven()) == list(SCENARIOS)


def test_those_with_a_network_in_them_are_proven_over_one() -> None:
    found = proven()
    assert sorted(n for n in REAL if not found[n] & {"interop", "loopback"}) == []
