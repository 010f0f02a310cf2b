"""``trunkline registrations``: who is registered; remove."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trunkline.app.cli.asking import exchange, fetch
from trunkline.app.cli.completing import numbers
from trunkline.app.cli.help import Commands, epilog_of
from trunkline.app.cli.options import Data, Json, Tenant
from trunkline.app.render import REGISTRATIONS, count_of
from trunkline.app.terminal import Screen
from trunkline.base.messages import ListRegistrations, RegistrationRow, RemoveRegistrations

app = Commands(
    "List the phones that are registered, or end registrations.",
    invoke_without_command=True,
    no_args_is_help=False,
    epilog=epilog_of(["trunkline registrations", "trunkline registrations --number 1001"], ""),
)
Number = Annotated[
    str | None,
    typer.Option("--number", metavar="NUMBER", help="Of this extension only.", autocompletion=numbers),
]


@app.callback()
def registrations(
    context: typer.Context,
    number: Number = None,
    tenant: Tenant = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List the phones that are registered, or end registrations."""
    if context.invoked_subcommand is None:
        _show(number, tenant, data, as_json=as_json)


@app.command("list", examples=["trunkline registrations list", "trunkline registrations list --number 1001"])
def list_registrations(
    number: Number = None, tenant: Tenant = None, data: Data = None, as_json: Json = False
) -> None:
    """List the phones that are registered, as the group does without a command."""
    _show(number, tenant, data, as_json=as_json)


@app.command(
    "remove",
    examples=["trunkline registrations remove 1001", "trunkline registrations remove --all --yes"],
)
def remove(
    number: Annotated[
        str | None,
        typer.Argument(metavar="NUMBER", help="Of this extension, all contacts.", autocompletion=numbers),
    ] = None,
    everybody: Annotated[bool, typer.Option("--all", help="Of all extensions of the tenant.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --all: really all.")] = False,
    tenant: Tenant = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """End registrations. A phone that is told (event package reg) registers anew; others are out until they do."""
    if (number is None) is not everybody:
        raise typer.BadParameter("expected a NUMBER, or --all", param_hint="NUMBER")
    screen = Screen()
    with exchange(data, tenant) as asker:
        gone = asker.ask(RemoveRegistrations(number=number, force=yes))
    if as_json:
        screen.json({"removed": gone.removed, "numbers": gone.numbers})
    else:
        screen.line(f"{count_of(gone.removed, 'registration')} ended")


def _show(number: str | None, tenant: str | None, data: Path | None, *, as_json: bool) -> None:
    screen = Screen()
    with exchange(data, tenant) as asker:
        rows: list[RegistrationRow] = fetch(asker, ListRegistrations(number=number))
    if as_json:
        screen.json(rows)
    else:
        screen.table(REGISTRATIONS, rows, "No phone is registered.")
