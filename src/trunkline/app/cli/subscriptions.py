"""``trunkline subscriptions``: who watches whom."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.app.cli.asking import exchange, fetch
from trunkline.app.cli.completing import numbers
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Data, Json, Tenant
from trunkline.app.render import SUBSCRIPTIONS
from trunkline.app.terminal import Screen
from trunkline.base.messages import ListSubscriptions, SubscriptionRow


def subscriptions(
    number: Annotated[
        str | None,
        typer.Option(
            "--number", metavar="NUMBER", help="That watches or is watched only.", autocompletion=numbers
        ),
    ] = None,
    tenant: Tenant = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List which extensions watch which: lamps, registrations, waiting messages, presence."""
    screen = Screen()
    with exchange(data, tenant) as asker:
        rows: list[SubscriptionRow] = fetch(asker, ListSubscriptions(number=number))
    if as_json:
        screen.json(rows)
    else:
        screen.table(SUBSCRIPTIONS, rows, "Nobody watches anybody.")


def register(app: Commands) -> None:
    """Put the command into the program."""
    app.command(examples=["trunkline subscriptions", "trunkline subscriptions --number 1001"])(subscriptions)
