"""``trunkline check``: settings and host, looked at before a start or beside a running exchange."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from trunkline.app.cli.exit_codes import ExitCode
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Data, Json
from trunkline.app.terminal import Column, Screen, safe

if TYPE_CHECKING:
    from trunkline.app.check import Finding

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def check(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings, in TOML or JSON.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as failures.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Look at settings, ports, certificates, DNS, disk, clock and limits. Nothing is changed.

    Exit code 0 when nothing failed, 1 otherwise.
    """
    from trunkline.app.check import check as look  # noqa: PLC0415  (everything is slow to import)

    screen = Screen()
    found = look(config, data)
    counts = Counter(str(finding.grade) for finding in found)
    bad = bool(counts["fail"] or (strict and counts["warn"]))
    if as_json:
        screen.json({"ok": not bad, "failed": counts["fail"], "warned": counts["warn"], "findings": found})
    else:
        show(screen, found)
        failed, warned = counts["fail"], counts["warn"]
        screen.line(
            f"{len(found)} findings: {failed} failed, {warned} {'warning' if warned == 1 else 'warnings'}"
        )
    if bad:
        raise typer.Exit(ExitCode.FAILED)


def show(screen: Screen, found: Sequence[Finding]) -> None:
    """A table on a terminal, a line for each elsewhere."""
    if not screen.out.is_terminal:
        screen.table(_COLUMNS, found, "")
        return
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for title in ("", "AREA", "FINDING", "WHAT TO DO"):
        table.add_column(title, overflow="fold")
    for finding in found:
        grade = str(finding.grade)
        style = _STYLES[grade]
        table.add_row(
            Text(grade, style=style),
            Text(finding.area, style="dim"),
            safe(finding.what),
            Text(safe(finding.mend), "cyan"),
        )
    screen.show(table)


_COLUMNS = (
    Column["Finding"]("GRADE", lambda row: str(row.grade)),
    Column["Finding"]("AREA", lambda row: row.area),
    Column["Finding"]("FINDING", lambda row: row.what),
    Column["Finding"]("WHAT TO DO", lambda row: row.mend),
)


def register(app: Commands) -> None:
    """Put the command into the program."""
    app.command(examples=["trunkline check", "trunkline check --config /etc/trunkline.toml --strict"])(check)
