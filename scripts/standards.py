"""Print docs/standards.md: which file obeys a section of an RFC, which test proves it, and how it stands.

Files are found by what their comments and docstrings cite (``RFC 3261 §17.1.1.2``), tests by their marks
(``@pytest.mark.rfc(3261, "17.1.1.2")`` and ``@pytest.mark.rule("T-06")``). The rules are those of tests/rules.toml, and
tests/removals.toml says whose code was taken away to see the tests fail.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("src/trunkline/**/*.py", "rust/crates/*/src/**/*.rs")
TESTS = "tests/**/test_*.py"
_MARK = re.compile(r"\.(rfc|rule)\s*\(")  # to parse only what has one
_CITATION = re.compile(r"RFC (?P<rfc>\d{3,5}),? §(?P<section>\d+(?:\.\d+)*)")

Section = tuple[int, tuple[int, ...]]
Found = dict[Section, set[str]]

_INTRODUCTION = """\
# Standards

This page is generated from the sources (`make docs`): a section stands here when a file cites it or a test is
marked with it. "none" means that no test carries the mark of that section, or no file cites it.

| status | meaning |
|---|---|
| tested | tests carry its mark, and the suite passes with them |
| cited | a file names it as its reason; whatever tests there are carry no mark of it |
"""
_RULES = """\
## Rules of interoperability

What real peers do, whatever the standards say, and what must not break when they do it. `make rules` runs the tests of
each rule and prints this table with their outcome.

| rule | what | tests | status |
|---|---|---|---|
"""
_REMOVALS = """\
## Seen to fail

A test that stays green without the code that it is about proves nothing. `make removals` takes code of these rules
away, each by itself in a scratch copy, and sees the tests of the rule turn red.

| rule | what was taken away | tests that noticed |
|---|---|---|
"""


def page(root: Path = ROOT) -> str:
    """The whole page."""
    tests, rules = _tests(root)
    files = _files(root)
    lines = [_INTRODUCTION]
    for rfc in sorted({rfc for rfc, _ in files | tests}):
        rows = sorted(key for key in files | tests if key[0] == rfc)
        lines += [
            f"## [RFC {rfc}](https://www.rfc-editor.org/rfc/rfc{rfc})",
            "",
            "| section | files | tests | status |",
            "|---|---|---|---|",
        ]
        lines += [_section_row(row[1], files[row], tests[row]) for row in rows]
        lines.append("")
    return "\n".join(lines) + "\n" + _rule_table(root, rules) + "\n" + _removal_table(root)


def _section_row(section: tuple[int, ...], files: set[str], tests: set[str]) -> str:
    return f"| {_dotted(section)} | {_cell(files)} | {_cell(tests)} | {'tested' if tests else 'cited'} |"


def _rule_table(root: Path, proven: dict[str, set[str]]) -> str:
    rows = [
        f"| {rule} | {words['title']} | {_cell(proven.get(rule, set()))} | {_rule_status(words, rule in proven)} |"
        for rule, words in tomllib.loads((root / "tests/rules.toml").read_text()).items()
    ]
    return _RULES + "\n".join(rows) + "\n"


def _rule_status(words: dict[str, str], tested: bool) -> str:
    said = ["tested"] if tested else []
    return "; ".join(said + ([f"later: {words['later']}"] if "later" in words else [])) or "open"


def _removal_table(root: Path) -> str:
    rows = [
        f"| {each['rule']} | {each['what']}, in `{each['file']}` | {_cell(set(each['tests']))} |"
        for each in tomllib.loads((root / "tests/removals.toml").read_text())["removal"]
    ]
    return _REMOVALS + "\n".join(rows) + "\n"


def _files(root: Path) -> Found:
    found: Found = defaultdict(set)
    for pattern in SOURCES:
        for path in root.glob(pattern):
            for match in _CITATION.finditer(path.read_text()):
                found[_section(match["rfc"], match["section"])].add(str(path.relative_to(root)))
    return found


def _tests(root: Path) -> tuple[Found, dict[str, set[str]]]:
    sections: Found = defaultdict(set)
    rules: dict[str, set[str]] = defaultdict(set)
    for path in root.glob(TESTS):
        text = path.read_text()
        for mark, values in _marks(ast.parse(text)) if _MARK.search(text) else ():
            if mark == "rfc" and len(values) == 2:
                sections[_section(*values)].add(str(path.relative_to(root)))
            elif mark == "rule":
                rules[values[0]].add(str(path.relative_to(root)))
    return sections, rules


def _marks(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    """``("rfc", ["3261", "17.1.1.2"])`` for every mark anywhere in a module."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"rfc", "rule"}
        ):
            yield (
                node.func.attr,
                [str(argument.value) for argument in node.args if isinstance(argument, ast.Constant)],
            )


def _section(rfc: str, section: str) -> Section:
    return int(rfc), tuple(int(part) for part in re.findall(r"\d+", section))


def _dotted(section: tuple[int, ...]) -> str:
    return ".".join(map(str, section))


def _cell(names: set[str]) -> str:
    return "<br>".join(f"`{name}`" for name in sorted(names)) or "none"


if __name__ == "__main__":
    sys.stdout.write(page())
