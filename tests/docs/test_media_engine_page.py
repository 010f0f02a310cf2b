"""docs/topics/media-engine.md names every command and every event of the media engine, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tests.peers.programs import ROOT
from trunkline.media.commands import COMMANDS
from trunkline.media.events import EVENTS

PAGE = ROOT / "docs" / "topics" / "media-engine.md"


def rows(heading: str) -> set[str]:
    """The names in the first column of the table below this heading row."""
    text = PAGE.read_text()
    table = text[text.index(f"| {heading} |") :].split("\n\n")[0].splitlines()[2:]
    return {name for row in table for name in re.findall(r"`(\w+)`", row.split(" | ")[0])}


def names(kinds: Iterable[type]) -> set[str]:
    return {kind.__name__ for kind in kinds}


def test_the_commands_are_complete() -> None:
    assert rows("command") == names(COMMANDS.values())


def test_the_events_are_complete() -> None:
    assert rows("event") == names(EVENTS.values())
