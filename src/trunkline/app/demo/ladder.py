"""The play as a ladder: a column for each party, an arrow for each message, its time before and its facts behind. Pure.

Unlike the ladder of a trace, the parties are known from the start, and an arrow may pass over those between its ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.text import Text

from trunkline.app.demo.steps import Arrow
from trunkline.app.terminal import safe

_TIME: Final = 12  # "  1234.5    "
_LEAST, _NARROW, _WIDE = 12, 17, 24
_NOTES, _FEW = 28, 10
_STYLES: Final = {"sip": "bold cyan", "rest": "bold magenta", "push": "bold yellow", "sound": "bold green"}
_LIFE, _DASH, _MORE = (
    "\N{BOX DRAWINGS LIGHT VERTICAL}",
    "\N{BOX DRAWINGS LIGHT HORIZONTAL}",
    "\N{HORIZONTAL ELLIPSIS}",
)


class Ladder:
    """``parties`` from left to right; ``width`` is the terminal's in columns, None where lines may be as long as they
    need to be.
    """

    def __init__(self, parties: Sequence[str], width: int | None = None) -> None:
        self._parties = tuple(parties)
        self._width = width
        room = (width or 140) - _TIME - 1
        gaps = len(parties) - 1
        wanted = max(_NARROW, min(_WIDE, (room - _NOTES) // gaps))
        self._gap = max(_LEAST, min(wanted, room // gaps))
        self._with_notes = room - gaps * self._gap >= _FEW

    def chapter(self, title: str) -> Iterator[Text]:
        """A title, and the parties above their columns."""
        yield Text("")
        yield Text(safe(title), "bold")
        line = "ms".rjust(8)
        for number, party in enumerate(self._parties):
            name = safe(party)[: self._gap - 2]
            line = f"{line.ljust(_TIME + number * self._gap - len(name) // 2)}{name}"
        yield Text(line, "bold")

    def remark(self, text: str) -> Text:
        """What happens next, in words."""
        line = Text(" " * _TIME)
        line.append(_LIFE, "dim")
        return line.append(f" {safe(text)}", "italic")

    def arrow(self, arrow: Arrow) -> Text:
        """One line."""
        source, target = self._parties.index(arrow.source), self._parties.index(arrow.target)
        left, right = min(source, target), max(source, target)
        line = Text().append(f"{arrow.ms:8.1f}".ljust(_TIME), "dim")
        for gap in range(len(self._parties) - 1):
            if gap == left:
                line.append(_LIFE, "dim")
                line.append(
                    self._shaft((right - left) * self._gap - 1, arrow.label, rightwards=source < target),
                    _style(arrow),
                )
            elif not left < gap < right:
                line.append(_LIFE.ljust(self._gap), "dim")
        line.append(f"{_LIFE}  ", "dim")
        if self._with_notes:
            line.append(safe(arrow.note), "dim")
        if self._width is not None:
            line.truncate(self._width, overflow="ellipsis")
        line.rstrip()
        return line

    @staticmethod
    def _shaft(room: int, label: str, *, rightwards: bool) -> str:
        label = safe(label)
        most = room - 5
        text = f" {label if len(label) <= most else f'{label[: most - 1]}{_MORE}'} "
        shaft = text.center(room - 1, _DASH)
        return f"{shaft}>" if rightwards else f"<{shaft}"


def _style(arrow: Arrow) -> str:
    if arrow.good is None:
        return _STYLES[arrow.way]
    return "green" if arrow.good else "yellow"
