"""``trunkline reload``: the settings read anew while calls go on."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.app.cli.asking import exchange
from trunkline.app.cli.exit_codes import ExitCode
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Data, Json
from trunkline.app.terminal import Column, Screen
from trunkline.base.messages import Refused, Reload, Reloaded, SettingChange

_WRONG = "settings.wrong"


def reload(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what would change, or be refused.")
    ] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Read the settings file anew, as SIGHUP does. What can change while calls go on holds at once, the rest is told.

    A wrong file is refused wholly (exit code 2), and the exchange goes on with the settings it has.
    """
    screen = Screen()
    with exchange(data) as asker:
        try:
            done = asker.ask(Reload(dry_run=dry_run))
        except Refused as refused:
            if refused.problem.code != _WRONG:
                raise
            for line in refused.problem.detail.splitlines():
                screen.error(line)
            screen.note("nothing has changed: the exchange goes on with the settings it has")
            raise typer.Exit(ExitCode.USAGE) from None
    if as_json:
        screen.json(done)
    else:
        show(screen, done)


def show(screen: Screen, done: Reloaded) -> None:
    """What changed, when it holds, and the lines about the file."""
    when = "would hold at once" if done.dry_run else "holds now"
    rows = [(change, when) for change in done.applied]
    rows += [(change, "after a restart") for change in done.restart]
    if rows:
        screen.table(_COLUMNS, rows, "")
    else:
        screen.line("no setting has changed" if done.file else "there is no settings file to read")
    for line in done.done:
        screen.line(line)
    for notice in done.notices:
        screen.note(notice)
    if done.restart:
        screen.note("trunkline drain --wait, then a restart, for what needs one")


_COLUMNS = (
    Column[tuple[SettingChange, str]]("KEY", lambda row: row[0].key, "bold"),
    Column[tuple[SettingChange, str]]("WAS", lambda row: row[0].old, "dim"),
    Column[tuple[SettingChange, str]]("IS", lambda row: row[0].new, "green"),
    Column[tuple[SettingChange, str]]("WHEN", lambda row: row[1]),
)


def register(app: Commands) -> None:
    """Put the command into the program."""
    app.command(examples=["trunkline reload", "trunkline reload --dry-run"])(reload)
