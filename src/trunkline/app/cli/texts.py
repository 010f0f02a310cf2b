"""``trunkline texts``: texts that wait for readers who are away."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.app.cli.asking import exchange, fetch
from trunkline.app.cli.completing import numbers
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Data, Json, Tenant
from trunkline.app.render import WAITING, count_of
from trunkline.app.terminal import Screen
from trunkline.base.messages import DropTexts, ListWaiting, WaitingRow

app = Commands("List and drop texts that wait for extensions that are away.")


@app.command("list", examples=["trunkline texts list", "trunkline texts list --json"])
def list_waiting(tenant: Tenant = None, data: Data = None, as_json: Json = False) -> None:
    """List for whom texts wait, since when, and why they were not delivered. What they say is not shown."""
    screen = Screen()
    with exchange(data, tenant) as asker:
        rows: list[WaitingRow] = fetch(asker, ListWaiting())
    if as_json:
        screen.json(rows)
    else:
        screen.table(WAITING, rows, "No text waits.")


@app.command(examples=["trunkline texts drop 301"])
def drop(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="The reader.", autocompletion=numbers)],
    tenant: Tenant = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Forget the texts that wait for an extension. Their writers are not told."""
    screen = Screen()
    with exchange(data, tenant) as asker:
        dropped = asker.ask(DropTexts(number=number))
    if as_json:
        screen.json({"number": dropped.number, "count": dropped.count})
    else:
        screen.line(f"{count_of(dropped.count, 'text')} for {dropped.number} dropped")
