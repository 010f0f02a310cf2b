"""``trunkline extension``: add, list, remove; ``extension_change`` and ``extension_files`` have the others."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.app.cli import extension_change, extension_files
from trunkline.app.cli.asking import exchange, fetch
from trunkline.app.cli.completing import numbers
from trunkline.app.cli.extension_change import Calls, parse_calls, password_of, show_changed
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Data, Json, Tenant
from trunkline.app.extension_rules import check_extension
from trunkline.app.render import EXTENSIONS, count_of
from trunkline.app.terminal import Screen
from trunkline.base.messages import (
    DEFAULT_CALLS,
    AddExtension,
    ExtensionRow,
    ListExtensions,
    RemoveExtension,
)

app = Commands("Add, change, list, remove, import and export extensions.")
Number = Annotated[str, typer.Argument(metavar="NUMBER", help="Digits, or a name such as u100000.")]
Known = Annotated[
    str, typer.Argument(metavar="NUMBER", help="An extension that exists.", autocompletion=numbers)
]


@app.command(
    "add",
    examples=[
        "trunkline extension add 2001",
        "trunkline extension add 2001 --name 'Front desk' --password 'quiet-otter-stamps-maps'",
        "trunkline extension add 3001 --contact sip:door@192.0.2.10",
    ],
)
def add(
    number: Number,
    password: Annotated[
        str | None,
        typer.Option(
            metavar="PASSWORD",
            help="Default: a random one, printed once, or none with --contact. '-' reads it from standard input.",
        ),
    ] = None,
    name: Annotated[str, typer.Option(metavar="NAME", help="Shown to those who are called.")] = "",
    contact: Annotated[
        str | None, typer.Option(metavar="URI", help="A fixed SIP address that needs no registration.")
    ] = None,
    generate: Annotated[
        bool,
        typer.Option("--generate", help="Make a random password also for an extension with a fixed contact."),
    ] = False,
    max_calls: Calls = None,
    tenant: Tenant = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Add an extension.

    Without --password it gets a random one, unless it has a fixed contact: then it has none, cannot register
    or call, and can be called.
    """
    if generate and password is not None:
        raise typer.BadParameter("--generate makes a password, and --password gives one: choose one of them")
    password = password_of(password, number)
    most = parse_calls(max_calls)
    most = None if most == DEFAULT_CALLS else most
    problems = check_extension(number, password, name, contact)
    if problems:
        raise typer.BadParameter("; ".join(problems))
    with exchange(data, tenant) as asker:
        added = asker.ask(
            AddExtension(
                number=number,
                password=password,
                name=name,
                contact=contact,
                generate=generate,
                max_calls=most,
            )
        )
    show_changed(added, "added", as_json=as_json)


extension_change.register(app)


@app.command("list", examples=["trunkline extension list", "trunkline extension list --json"])
def list_extensions(tenant: Tenant = None, data: Data = None, as_json: Json = False) -> None:
    """List extensions and how many phones are registered for each."""
    screen = Screen()
    with exchange(data, tenant) as asker:
        rows: list[ExtensionRow] = fetch(asker, ListExtensions())
    if as_json:
        screen.json(rows)
    else:
        screen.table(EXTENSIONS, rows, "No extensions. Add one: trunkline extension add 2001")


@app.command("remove", examples=["trunkline extension remove 2001"])
def remove(number: Known, tenant: Tenant = None, data: Data = None, as_json: Json = False) -> None:
    """Remove an extension and its registrations; calls that are up go on."""
    screen = Screen()
    with exchange(data, tenant) as asker:
        removed = asker.ask(RemoveExtension(number=number))
    if as_json:
        screen.json({"number": removed.number, "bindings": removed.bindings})
    else:
        screen.line(f"extension {removed.number} removed ({count_of(removed.bindings, 'registration')})")


extension_files.register(app)
