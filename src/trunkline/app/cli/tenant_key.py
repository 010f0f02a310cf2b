"""``trunkline tenant api-key``: the key by which a tenant's backend asks for tokens of its users."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.app.cli.asking import Asker, exchange
from trunkline.app.cli.completing import tenants
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Data, Json
from trunkline.app.render import clock
from trunkline.app.terminal import Screen
from trunkline.base.messages import MakeApiKey, RemoveApiKey, ShowApiKey


def api_key(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The tenant's name or id.", autocompletion=tenants)
    ],
    new: Annotated[
        bool, typer.Option("--new", help="Make a key and print it, this once; an older one holds no more.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take the key away.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show whether a tenant's backend has an API key, make one, or take it away.

    Whoever holds the key may be any user of the tenant: it belongs on a server, never into an app. Tokens that were
    given by an older key are good until they expire.
    """
    if new and remove:
        raise typer.BadParameter("either --new or --remove")
    act = _make if new else _remove if remove else _show
    with exchange(data) as asker:
        act(asker, name, as_json=as_json)


def _make(asker: Asker, name: str, *, as_json: bool) -> None:
    screen = Screen()
    made = asker.ask(MakeApiKey(name=name))
    if as_json:
        screen.json({"name": made.name, "key": made.key, "replaced": made.replaced})
        return
    screen.line(made.key)
    if made.replaced:
        screen.warn(f"the older key of tenant {made.name} holds no more")


def _remove(asker: Asker, name: str, *, as_json: bool) -> None:
    screen = Screen()
    gone = asker.ask(RemoveApiKey(name=name))
    if as_json:
        screen.json({"name": gone.name, "has_key": False})
    else:
        screen.line(f"tenant {gone.name} has no API key any more")


def _show(asker: Asker, name: str, *, as_json: bool) -> None:
    screen = Screen()
    state = asker.ask(ShowApiKey(name=name))
    if as_json:
        since = {"created_at": state.created_at} if state.created_at else {}
        screen.json({"name": state.name, "has_key": bool(state.created_at), **since})
    elif state.created_at:
        screen.line(f"tenant {state.name} has an API key since {clock(state.created_at)}")
    else:
        screen.line(f"tenant {state.name} has no API key; next: trunkline tenant api-key {state.name} --new")


def register(app: Commands) -> None:
    """Put the command into ``trunkline tenant``."""
    app.command(
        "api-key",
        examples=[
            "trunkline tenant api-key acme",
            "trunkline tenant api-key acme --new",
            "trunkline tenant api-key acme --remove",
        ],
    )(api_key)
