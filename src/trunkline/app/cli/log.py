"""``trunkline log``: which lines the running exchange writes."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.app.cli.asking import exchange
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Data, Json
from trunkline.app.terminal import Column, Screen
from trunkline.base.messages import LoggerRow, LogState, SetLogLevel, ShowLog

app = Commands("Show and change log levels of the running exchange.")
_COLUMNS = (
    Column[LoggerRow]("LOGGER", lambda row: row.name, "bold"),
    Column[LoggerRow]("LEVEL", lambda row: row.level, "green"),
    Column[LoggerRow]("OF ITS OWN", lambda row: "yes" if row.own else ""),
)


@app.command(examples=["trunkline log show", "trunkline log show --json"])
def show(data: Data = None, as_json: Json = False) -> None:
    """Show the level of every logger."""
    with exchange(data) as asker:
        state = asker.ask(ShowLog())
    _tell(Screen(), state, as_json=as_json)


@app.command(examples=["trunkline log level debug", "trunkline log level net debug"])
def level(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[LOGGER] LEVEL", help="debug, info, warning or error; of one logger, or of all."
        ),
    ],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Change a level until the next reload or start, which bring back those of the settings."""
    if len(words) > 2:
        raise typer.BadParameter("give a LEVEL, or a LOGGER and its LEVEL")
    logger = words[0] if len(words) == 2 else None
    with exchange(data) as asker:
        state = asker.ask(SetLogLevel(level=words[-1], logger=logger))
    _tell(Screen(), state, as_json=as_json)


def _tell(screen: Screen, state: LogState, *, as_json: bool) -> None:
    if as_json:
        screen.json(state)
        return
    note = "" if state.level == state.configured else f" (the settings say {state.configured})"
    screen.line(f"level {state.level}{note}")
    screen.table(_COLUMNS, state.loggers, "")
    if state.dropped:
        screen.warn(f"{state.dropped} lines were lost because standard error was blocked")
