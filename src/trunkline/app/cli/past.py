"""What has happened: call records."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.app.cli.asking import exchange, fetch
from trunkline.app.cli.completing import numbers
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Data, Json, Tenant, parse_since
from trunkline.app.render import RECORDS
from trunkline.app.terminal import Screen
from trunkline.base.messages import ListRecords, RecordRow


def records(
    limit: Annotated[
        int, typer.Option(min=1, max=1_000_000, metavar="N", help="How many, newest first.")
    ] = 20,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="From 2026-11-21T20:30 on, or an age: 90m, 2h, 3d.")
    ] = None,
    number: Annotated[
        str | None,
        typer.Option(
            "--number",
            metavar="NUMBER",
            help="Calls from or to this number only.",
            autocompletion=numbers,
        ),
    ] = None,
    tenant: Tenant = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List call records: one for each leg and attempt."""
    screen = Screen()
    query = ListRecords(since=parse_since(since), number=number)
    with exchange(data, tenant) as asker:
        rows: list[RecordRow] = fetch(asker, query, most=limit)
    if as_json:
        screen.json(rows)
    else:
        screen.table(RECORDS, rows, "No calls are on record.")


def register(app: Commands) -> None:
    """Put the command into the program."""
    app.command(examples=["trunkline records --since 2h", "trunkline records --number 1001 --json"])(records)
