"""Print docs/standards.md: which file obeys a section of an RFC, and which test proves it.

Files are found by what their comments and docstrings cite (``RFC 3261 §17.1.1.2``), tests by their marks
(``@pytest.mark.rfc(3261, "17.1.1.2")`` and ``@pytest.mark.rule("T-06")``).
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("src/trunkline/**/*.py", "rust/crates/*/src/**/*.rs")
TESTS = "tests/**/test_*.py"
_CITATION = re.compile(r"RFC (?P<rfc>\d{3,5}),? §(?P<section>\d+(?:\.\d+)*)")

Section = tuple[int, tuple[int, ...]]
Found = dict[Section, set[str]]

_INTRODUCTION = """\
# Standards

This page is generated from the sources (`make docs`): a section stands here when a file cites it or a test is
marked with it. "none" means that no test carries the mark of that section, or no file cites it.
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
            "| section | files | tests |",
            "|---|---|---|",
        ]
        lines += [f"| {_dotted(row[1])} | {_cell(files[row])} | {_cell(tests[row])} |" for row in rows]
        lines.append("")
    lines += ["## Rules of interoperability", "", "| rule | tests |", "|---|---|"]
    lines += [f"| {rule} | {_cell(names)} |" for rule, names in sorted(rules.items())]
    return "\n".join(lines) + "\n"


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
        for mark, values in _marks(ast.parse(path.read_text())):
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
