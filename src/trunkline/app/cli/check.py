"""``trunkline check``: settings and host, looked at before a start or beside a running exchange."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
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
    """On a terminal what to do stands below each finding; elsewhere columns."""
    if not screen.fancy:
        screen.table(_COLUMNS, found, "")
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for finding in found:
        what = Text(safe(finding.what))
        if finding.mend:
            what.append(f"\n{safe(finding.mend)}", "cyan")
        table.add_row(Text(str(finding.grade), _STYLES[str(finding.grade)]), finding.area, what)
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
