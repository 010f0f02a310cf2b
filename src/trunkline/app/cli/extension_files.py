"""``trunkline extension import`` and ``export``: many extensions at once, as CSV."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated

import typer

from trunkline.app.cli.asking import Asker, exchange, fetch
from trunkline.app.cli.bad_file import BadFile
from trunkline.app.cli.csv_file import COLUMNS, read_extensions
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Data, Json, Tenant
from trunkline.app.render import PASSWORDS, count_of
from trunkline.app.terminal import Screen
from trunkline.base.errors import TransportError, TrunklineError
from trunkline.base.messages import (
    ExportExtensions,
    ExportRow,
    ExtensionsImported,
    ImportExtensions,
    ImportRow,
    RowProblem,
)

CHUNK = 250  # rows in one message: at most half a megabyte, and a pause for calls between any two
_SHOWN_WARNINGS = 20


@dataclass
class Outcome:
    """What was imported: whole chunks, in the order of the file. ``error`` stopped it after ``rows``."""

    parts: list[ExtensionsImported] = field(default_factory=list)
    rows: int = 0
    error: TrunklineError | KeyboardInterrupt | None = None


def import_file(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.csv", help="CSV with the header number,password,name,contact,max_calls."
        ),
    ],
    replace: Annotated[bool, typer.Option("--replace", help="Change extensions that exist already.")] = False,
    tenant: Tenant = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Import extensions from a CSV file. Nothing is imported when any row is wrong.

    A row without a password and without a contact gets a random password, printed once at the end.
    """
    screen = Screen()
    rows = read_extensions(file)
    with exchange(data, tenant) as asker:
        outcome = _import(screen, asker, file, rows, replace=replace)
    _show_imported(screen, rows, outcome, as_json=as_json)


def _import(screen: Screen, asker: Asker, file: Path, rows: Sequence[ImportRow], *, replace: bool) -> Outcome:
    """Look at every chunk first, and write only when none has a problem."""
    chunks = [tuple(rows[at : at + CHUNK]) for at in range(0, len(rows), CHUNK)]
    outcome = Outcome()
    with screen.progress(2 * len(rows)) as progress:
        problems: list[RowProblem] = []
        for chunk in chunks:
            problems += asker.ask(ImportExtensions(rows=chunk, check=True, replace=replace)).problems
            progress("checking", len(chunk))
        if problems:
            raise BadFile(file, problems)
        try:
            for chunk in chunks:
                part = asker.ask(ImportExtensions(rows=chunk, replace=replace))
                outcome.parts.append(part)
                if part.problems:  # somebody else changed the store between our look and our writing
                    raise BadFile(file, part.problems)
                outcome.rows += len(chunk)
                progress("importing", len(chunk))
        except (TrunklineError, KeyboardInterrupt) as error:
            outcome.error = error
    return outcome


def _show_imported(screen: Screen, rows: Sequence[ImportRow], outcome: Outcome, *, as_json: bool) -> None:
    added = sum(part.added for part in outcome.parts)
    replaced = sum(part.replaced for part in outcome.parts)
    generated = [one for part in outcome.parts for one in part.generated]
    warnings = [warning for part in outcome.parts for warning in part.warnings]
    problems = [problem for part in outcome.parts for problem in part.problems]
    error = _words(outcome.error)
    if as_json:
        summary = {"rows": outcome.rows, "added": added, "replaced": replaced, "generated": generated}
        screen.json(summary | {"warnings": warnings, "problems": problems, "error": error})
    else:
        screen.line(f"{count_of(added, 'extension')} added, {replaced} replaced")
        if generated:
            screen.table(PASSWORDS, generated, "")
            screen.note("the passwords are shown this once")
        for warning in warnings[:_SHOWN_WARNINGS]:
            screen.warn(warning)
        if len(warnings) > _SHOWN_WARNINGS:
            screen.warn(f"and {len(warnings) - _SHOWN_WARNINGS} more")
    if outcome.error is not None:
        _show_stop(screen, rows, outcome, error or "")
        raise typer.Exit(130 if isinstance(outcome.error, KeyboardInterrupt) else 1)


def _words(error: TrunklineError | KeyboardInterrupt | None) -> str | None:
    if isinstance(error, BadFile):
        return "; ".join(error.lines())
    return "interrupted" if isinstance(error, KeyboardInterrupt) else None if error is None else str(error)


def _show_stop(screen: Screen, rows: Sequence[ImportRow], outcome: Outcome, error: str) -> None:
    """Which lines are in, which are not, and which may be either."""
    screen.error(error)
    done = outcome.rows
    if done:
        screen.note(f"lines {rows[0].line} to {rows[done - 1].line} were imported")
    if isinstance(outcome.error, TransportError | KeyboardInterrupt):
        last = rows[min(done + CHUNK, len(rows)) - 1].line
        screen.note(f"lines {rows[done].line} to {last} may have been imported")
        done = min(done + CHUNK, len(rows))
    if done < len(rows):
        screen.note(f"lines {rows[done].line} to {rows[-1].line} were not imported")
    screen.note("import the file again with --replace when it is mended")


def export_file(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE.csv", help="Where to. Default: standard output."),
    ] = None,
    passwords: Annotated[
        bool, typer.Option("--passwords", help="With the passwords, in clear text. Keep the file safe.")
    ] = False,
    tenant: Tenant = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Export extensions as CSV, in the form that `import` reads. Passwords are in it only when asked for."""
    screen = Screen()
    if file is not None and file.exists():
        raise typer.BadParameter(f"{file} exists already; choose another name or remove it")
    with exchange(data, tenant) as asker:
        rows: list[ExportRow] = fetch(asker, ExportExtensions(passwords=passwords))
    columns = [name for name in COLUMNS if passwords or name != "password"]
    cells = [{name: getattr(row, name) for name in columns} for row in rows]  # None is written as nothing
    if as_json and file is None:
        screen.json(cells)
        return
    if file is None:
        _write(sys.stdout, columns, cells)
        return
    with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as sink:
        _write(sink, columns, cells)
    if as_json:
        screen.json({"file": str(file), "extensions": len(rows), "passwords": passwords})
    else:
        screen.line(f"{count_of(len(rows), 'extension')} written to {file}")
    if passwords:
        screen.warn(f"{file} holds passwords in clear text")


def _write(sink: IO[str], columns: Sequence[str], rows: Iterable[dict[str, object]]) -> None:
    writer = csv.DictWriter(sink, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def register(app: Commands) -> None:
    """Put the commands into ``trunkline extension``."""
    app.command(
        "import",
        examples=[
            "trunkline extension import people.csv",
            "trunkline extension import people.csv --replace",
        ],
    )(import_file)
    app.command(
        "export",
        examples=[
            "trunkline extension export people.csv",
            "trunkline extension export --passwords secret-people.csv",
        ],
    )(export_file)
