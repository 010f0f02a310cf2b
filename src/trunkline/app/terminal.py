"""Where commands write: tables and colours on a terminal, plain columns in a pipe, JSON on demand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from trunkline.base.message_codec import plain

Row = TypeVar("Row")
FOLDED = 1.6  # how much wider than the terminal a table may be: every other cell is folded once


@dataclass(frozen=True)
class Column(Generic[Row]):
    """A ``title``, the ``value`` of a row as text, and how a terminal shows it."""

    title: str
    value: Callable[[Row], str]
    style: str = ""
    justify: Literal["left", "right"] = "left"


class Screen:
    """Standard output and standard error. What comes from the network loses its control characters."""

    def __init__(self, out: Console | None = None, err: Console | None = None) -> None:
        self.out = out or Console(highlight=False)
        self.err = err or Console(stderr=True, highlight=False)

    @property
    def fancy(self) -> bool:
        """Whether tables, colours and bars can be shown: a terminal that knows more than lines."""
        return self.out.is_terminal and not self.out.is_dumb_terminal

    @contextmanager
    def progress(self, total: int) -> Iterator[Callable[[str, int], None]]:
        """A bar on standard error, told ``(what is done, how much more)``; nothing when that is no terminal."""
        if not self.err.is_terminal or self.err.is_dumb_terminal:
            yield lambda _what, _more: None
            return
        from rich.progress import Progress  # noqa: PLC0415  (few commands draw a bar)

        with Progress(console=self.err, transient=True) as progress:
            bar = progress.add_task("", total=total)
            yield lambda what, more: progress.update(bar, advance=more, description=what)

    def table(self, columns: Sequence[Column[Row]], rows: Sequence[Row], empty: str) -> None:
        """A table; ``empty`` is said instead when a terminal would show only a header.

        A terminal too narrow for it, even with folded cells, gets each row as a block of lines.
        """
        if not self.fancy:
            self._plain_table(columns, rows)
        elif not rows:
            self.out.print(Text(empty, style="dim"))
        elif _width(columns, rows) <= self.out.width * FOLDED:
            self.out.print(rich_table(columns, rows))
        else:
            self._blocks(columns, rows)

    def _blocks(self, columns: Sequence[Column[Row]], rows: Sequence[Row]) -> None:
        widest = max(len(column.title) for column in columns)
        for number, row in enumerate(rows):
            if number:
                self.line("")
            for column in columns:
                title, value = column.title.lower().ljust(widest), safe(column.value(row))
                self.out.print(Text.assemble((title, "dim"), "  ", (value, column.style)), soft_wrap=True)

    def _plain_table(self, columns: Sequence[Column[Row]], rows: Sequence[Row]) -> None:
        cells = [[column.title for column in columns]]
        cells += [[safe(column.value(row)) or "-" for column in columns] for row in rows]
        widths = [max(len(line[at]) for line in cells) for at in range(len(columns))]
        for line in cells:
            self.line("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())

    def json(self, value: Any) -> None:
        """Dataclasses, lists and mappings as JSON, indented on a terminal."""
        indent = 2 if self.out.is_terminal else None
        self.line(json.dumps(_rounded(plain(value)), ensure_ascii=False, indent=indent))

    def show(self, renderable: RenderableType) -> None:
        """Anything of rich."""
        self.out.print(renderable)

    def line(self, text: str, style: str = "") -> None:
        """A line as it is: no markup, no wrapping."""
        self.out.print(Text(text, style=style), soft_wrap=True)

    def note(self, text: str) -> None:
        """A remark on standard error, so that a pipe gets data alone."""
        self.err.print(Text(safe(text), style="dim"), soft_wrap=True)

    def warn(self, text: str) -> None:
        self._labelled("warning", text, "yellow")

    def error(self, text: str) -> None:
        self._labelled("error", text, "bold red")

    def _labelled(self, label: str, text: str, style: str) -> None:
        self.err.print(Text.assemble((f"{label}: ", style), safe(text)), soft_wrap=True)


def _rounded(value: Any) -> Any:
    """Without the dust that arithmetic leaves on times: 3600.0, not 3600.000000000002."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(one) for one in value]
    return value


def rich_table(columns: Sequence[Column[Row]], rows: Sequence[Row]) -> Table:
    """The terminal's form; long values are folded, not cut, so that they can be copied."""
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column.title, style=column.style, justify=column.justify, overflow="fold")
    for row in rows:
        table.add_row(*(Text(safe(column.value(row))) for column in columns))
    return table


def _width(columns: Sequence[Column[Row]], rows: Sequence[Row]) -> int:
    """Of the unfolded table, with two columns between any two cells."""
    cells = [max(len(column.title), *(len(column.value(row)) for row in rows)) for column in columns]
    return sum(cells) + 2 * (len(cells) - 1)


def safe(text: str) -> str:
    """Without control characters: a User-Agent must not steer the operator's terminal."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text
    )
