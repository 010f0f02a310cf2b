"""``trunkline mwi``: the lamp that says that messages wait, for a voicemail system beside the exchange."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.app.cli.asking import exchange, fetch
from trunkline.app.cli.completing import numbers
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Data, Json, Tenant
from trunkline.app.render import MAILBOXES, count_of
from trunkline.app.terminal import Screen
from trunkline.base.messages import ListMailboxes, MailboxRow, SetMessagesWaiting

app = Commands("Set and list how many voice messages wait for extensions.")


@app.command("list", examples=["trunkline mwi list", "trunkline mwi list --json"])
def list_mailboxes(tenant: Tenant = None, data: Data = None, as_json: Json = False) -> None:
    """List for whom voice messages wait."""
    screen = Screen()
    with exchange(data, tenant) as asker:
        rows: list[MailboxRow] = fetch(asker, ListMailboxes())
    if as_json:
        screen.json(rows)
    else:
        screen.table(MAILBOXES, rows, "No message waits.")


@app.command("set", examples=["trunkline mwi set 1001 --new 3", "trunkline mwi set 1001 --new 0 --old 5"])
def set_counts(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="Whose messages.", autocompletion=numbers)],
    new: Annotated[int, typer.Option("--new", metavar="COUNT", help="Messages not heard yet.")],
    old: Annotated[int, typer.Option("--old", metavar="COUNT", help="Messages heard and kept.")] = 0,
    new_urgent: Annotated[
        int, typer.Option("--new-urgent", metavar="COUNT", help="How many of the new ones are urgent.")
    ] = 0,
    old_urgent: Annotated[
        int, typer.Option("--old-urgent", metavar="COUNT", help="How many of the old ones are urgent.")
    ] = 0,
    tenant: Tenant = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Say how many voice messages wait for an extension; its phones are told. A restart forgets it."""
    screen = Screen()
    asked = SetMessagesWaiting(number=number, new=new, old=old, new_urgent=new_urgent, old_urgent=old_urgent)
    with exchange(data, tenant) as asker:
        state = asker.ask(asked)
    if as_json:
        screen.json(state.row)
    else:
        told = count_of(state.watchers, "subscription")
        screen.line(f"{state.row.number} has {state.row.new} new and {state.row.old} old, {told} told")
