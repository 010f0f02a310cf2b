"""Read a CSV file of extensions: all rows good, or nothing but problems with their line numbers."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TextIO

from trunkline.app.cli.bad_file import BadFile
from trunkline.app.extension_rules import check_calls, check_extension
from trunkline.base.messages import ImportRow, RowProblem

COLUMNS = ("number", "password", "name", "contact", "max_calls")
_CALLS = re.compile(r"[0-9]{0,9}")
MAX_ROWS = 500_000


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where each known column stands in a row."""

    places: dict[str, int]
    width: int

    def value(self, row: Sequence[str], column: str) -> str:
        place = self.places.get(column)
        return row[place].strip() if place is not None and place < len(row) else ""


def read_extensions(path: Path) -> list[ImportRow]:
    """The rows of a file with the header COLUMNS; raises BadFile with every problem.

    Columns may stand in any order and all but ``number`` may be missing; a semicolon may separate them; empty
    lines are skipped.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            text = file.readline()
            file.seek(0)
            delimiter = ";" if ";" in text and "," not in text else ","
            return _read(path, file, delimiter)
    except UnicodeDecodeError:
        raise BadFile(path, [RowProblem(0, "the file must be text in UTF-8")]) from None
    except OSError as error:
        raise BadFile(path, [RowProblem(0, f"cannot be read: {error.strerror}")]) from None


def _read(path: Path, file: TextIO, delimiter: str) -> list[ImportRow]:
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    rows: list[ImportRow] = []
    problems: list[RowProblem] = []
    first_line: dict[str, int] = {}
    try:
        layout = _layout(path, next(reader, []))
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            row = _row(reader.line_num, cells, layout)
            details = list(_details(row, cells, layout, first_line))
            problems += [RowProblem(row.line, detail) for detail in details]
            if not details:
                first_line[row.number] = row.line
            rows.append(row)
            if len(rows) > MAX_ROWS:
                raise BadFile(path, [RowProblem(row.line, f"more than {MAX_ROWS} rows; split the file")])
    except csv.Error as error:
        problems.append(RowProblem(reader.line_num, f"is no CSV: {error}"))
    if problems:
        raise BadFile(path, problems)
    return rows


def _layout(path: Path, header: Sequence[str]) -> _Layout:
    names = [name.strip().lower() for name in header]
    problems = []
    for name in names:
        if name not in COLUMNS:
            near = get_close_matches(name, COLUMNS, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            problems.append(f"the header names a column {name[:40]!r}, expected {','.join(COLUMNS)}{hint}")
        elif names.count(name) > 1:
            problems.append(f"the header names {name} twice")
    if "number" not in names and not problems:
        problems.append(f"the header must be {','.join(COLUMNS)}; number may not be missing")
    if problems:
        raise BadFile(path, [RowProblem(1, problem) for problem in dict.fromkeys(problems)])
    return _Layout({name: place for place, name in enumerate(names)}, len(names))


def _row(line: int, cells: Sequence[str], layout: _Layout) -> ImportRow:
    most = layout.value(cells, "max_calls")
    return ImportRow(
        line=line,
        number=layout.value(cells, "number"),
        password=layout.value(cells, "password") or None,
        name=layout.value(cells, "name"),
        contact=layout.value(cells, "contact") or None,
        max_calls=int(most) if most and _CALLS.fullmatch(most) else None,
    )


def _details(
    row: ImportRow, cells: Sequence[str], layout: _Layout, first_line: dict[str, int]
) -> Iterator[str]:
    if len(cells) > layout.width:
        yield f"has {len(cells)} columns, the header {layout.width}; put quotes around a comma"
    yield from check_extension(row.number, row.password, row.name, row.contact)
    if not _CALLS.fullmatch(layout.value(cells, "max_calls")):
        yield "max_calls must be a whole number, 0 for any number of calls, or empty"
    elif wrong := check_calls(row.max_calls):
        yield wrong
    if row.number in first_line:
        yield f"the number {row.number} stands in line {first_line[row.number]} already"
