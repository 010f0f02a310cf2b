"""``trunkline bans``: who is not listened to; list, clear, add."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from trunkline.app.cli.asking import exchange, fetch
from trunkline.app.cli.options import Data, Json, examples
from trunkline.app.render import BANS, duration
from trunkline.app.terminal import Screen
from trunkline.base.messages import AddBan, BanRow, ClearBans, ListBans

app = typer.Typer(no_args_is_help=True, help="List, clear and add bans: sources that are not listened to.")
_SPAN = re.compile(r"(\d{1,7})([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


@app.command("list", epilog=examples("trunkline bans list", "trunkline bans list --json"))
def list_bans(data: Data = None, as_json: Json = False) -> None:
    """List who is banned, why, and for how long still."""
    screen = Screen()
    with exchange(data) as asker:
        rows: list[BanRow] = fetch(asker, ListBans())
    if as_json:
        screen.json(rows)
    else:
        screen.table(BANS, rows, "Nobody is banned.")


@app.command("add", epilog=examples("trunkline bans add 192.0.2.66 --for 1h"))
def add(
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="An IP address; of IPv6 its whole /64 counts.")
    ],
    lasts: Annotated[
        str, typer.Option("--for", metavar="TIME", help="Such as 90s, 30m, 12h or 7d; 30 days at most.")
    ] = "1h",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Ban an address by hand. Unlike other bans it also holds for phones that have proven themselves there."""
    seconds = parse_span(lasts)
    screen = Screen()
    with exchange(data) as asker:
        row = asker.ask(AddBan(address=address, for_s=seconds)).row
    if as_json:
        screen.json(row)
    else:
        screen.line(f"{row.source} is banned for {duration(row.remains_s)}")


@app.command("clear", epilog=examples("trunkline bans clear 192.0.2.66", "trunkline bans clear"))
def clear(
    address: Annotated[
        str | None,
        typer.Argument(metavar="[ADDRESS]", help="As `trunkline bans list` shows it. Default: all."),
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Lift one ban, or all of them; what was held against them is forgotten too."""
    screen = Screen()
    with exchange(data) as asker:
        cleared = asker.ask(ClearBans(address=address))
    if as_json:
        screen.json({"sources": cleared.sources})
    elif address is None:
        screen.line(f"{len(cleared.sources)} bans lifted")
    else:
        screen.line(f"{cleared.sources[0]} is heard again")


def parse_span(text: str) -> float:
    """Seconds of ``90``, ``90s``, ``30m``, ``12h`` or ``7d``."""
    match = _SPAN.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise typer.BadParameter(f"{text} is no time such as 90s, 30m, 12h or 7d", param_hint="--for")
    return float(int(match[1]) * _SECONDS[match[2]])
