"""docs/reference/commands.md is what the commands say of themselves."""

from __future__ import annotations

from pathlib import Path

from trunkline.app.cli.reference import reference

PAGE = Path(__file__).parents[3] / "docs/reference/commands.md"


def test_the_committed_reference_is_up_to_date() -> None:
    page = PAGE.read_text()
    assert page == reference(), "run: python -m trunkline.app.cli.reference > docs/reference/commands.md"


def test_every_command_has_an_example() -> None:
    sections = reference().split("\n### ")[1:]
    assert len(sections) >= 35
    for section in sections:
        words = section.splitlines()[0].split()
        shown = [line.split() for line in section.splitlines() if line.startswith("$ trunkline ")]
        assert any(in_order(words, line) for line in shown), words


def in_order(words: list[str], line: list[str]) -> bool:
    """Whether the words stand in the line, which may have a group's options between them."""
    rest = iter(line)
    return all(word in rest for word in words)
