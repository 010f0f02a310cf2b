"""``trunkline bans``: who is not listened to; list, clear, add."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.app.cli.asking import exchange, fetch
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Data, Json, span
from trunkline.app.render import BANS, count_of, remaining
from trunkline.app.terminal import Screen
from trunkline.base.messages import AddBan, BanRow, ClearBans, ListBans

app = Commands("List, clear and add bans: sources that are not listened to.")


@app.command(examples=["trunkline bans add 192.0.2.66", "trunkline bans add 192.0.2.66 --for 12h"])
def add(
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="An IP address; of IPv6 its whole /64 counts.")
    ],
    lasts: Annotated[
        float,
        typer.Option(
            "--for",
            parser=span,
            metavar="TIME",
            help="Such as 90s, 30m, 12h or 7d; 30d at most. Default: 1h.",
        ),
    ] = 3600.0,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Ban an address by hand. Unlike other bans it also holds for phones that have proven themselves there."""
    screen = Screen()
    with exchange(data) as asker:
        row = asker.ask(AddBan(address=address, for_s=lasts)).row
    if as_json:
        screen.json(row)
    else:
        screen.line(f"{row.source} is banned for {remaining(row.expires_s)}")


@app.command("list", examples=["trunkline bans list", "trunkline bans list --json"])
def list_bans(data: Data = None, as_json: Json = False) -> None:
    """List who is banned, why, and for how long still."""
    screen = Screen()
    with exchange(data) as asker:
        rows: list[BanRow] = fetch(asker, ListBans())
    if as_json:
        screen.json(rows)
    else:
        screen.table(BANS, rows, "Nobody is banned.")


@app.command(examples=["trunkline bans clear 192.0.2.66", "trunkline bans clear"])
def clear(
    address: Annotated[
        str | None,
        typer.Argument(metavar="ADDRESS", help="As `trunkline bans list` shows it. Default: all bans."),
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Lift a ban, or all of them. What was held against the source is forgotten too."""
    screen = Screen()
    with exchange(data) as asker:
        cleared = asker.ask(ClearBans(address=address))
    if as_json:
        screen.json({"sources": cleared.sources})
    elif address is None:
        screen.line(f"{count_of(len(cleared.sources), 'ban')} lifted")
    else:
        screen.line(f"{cleared.sources[0]} is heard again")
