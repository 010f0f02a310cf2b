"""``trunkline extension``: add, list, remove, import."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from trunkline.app.cli.asking import Asker, exchange, fetch
from trunkline.app.cli.completing import numbers
from trunkline.app.cli.csv_file import BadFile, read_extensions
from trunkline.app.cli.options import Data, Json, Tenant, examples
from trunkline.app.extension_rules import check_extension
from trunkline.app.render import EXTENSIONS, PASSWORDS
from trunkline.app.terminal import Screen
from trunkline.base.messages import (
    AddExtension,
    ExtensionAdded,
    ExtensionRow,
    ExtensionsImported,
    GeneratedPassword,
    ImportExtensions,
    ImportRow,
    ListExtensions,
    RemoveExtension,
    RowProblem,
)

CHUNK = 500
app = typer.Typer(no_args_is_help=True, help="Add, list, remove and import extensions.")
Number = Annotated[str, typer.Argument(metavar="NUMBER", help="Digits, or a name such as u100000.")]
Known = Annotated[
    str, typer.Argument(metavar="NUMBER", help="An extension that exists.", autocompletion=numbers)
]


@app.command(
    "add",
    epilog=examples(
        "trunkline extension add 2001",
        "trunkline extension add 2001 --name 'Front desk' --password 'quiet-otter-stamps-maps'",
        "trunkline extension add 3001 --contact sip:door@192.0.2.10",
    ),
)
def add(
    number: Number,
    password: Annotated[
        str | None,
        typer.Option(
            metavar="PW", help="Default: a random one, printed once. '-' reads it from standard input."
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="Shown to those who are called.")] = "",
    contact: Annotated[
        str | None, typer.Option(metavar="URI", help="A fixed SIP address that needs no registration.")
    ] = None,
    tenant: Tenant = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Add an extension."""
    if password == "-":  # noqa: S105  (a dash is no password)
        password = sys.stdin.readline().rstrip("\r\n")
    problems = check_extension(number, password, name, contact)
    if problems:
        raise typer.BadParameter("; ".join(problems))
    with exchange(data, tenant) as asker:
        added = asker.ask(AddExtension(number=number, password=password, name=name, contact=contact))
    _show_added(Screen(), added, as_json=as_json)


def _show_added(screen: Screen, added: ExtensionAdded, *, as_json: bool) -> None:
    if as_json:
        screen.json({**_row(added.extension), "password": added.password, "warnings": added.warnings})
        return
    screen.line(f"extension {added.extension.number} added")
    if added.password is not None:
        screen.line(f"password {added.password}", "bold green")
        screen.note("the password is shown this once")
    for warning in added.warnings:
        screen.warn(warning)


def _row(row: ExtensionRow) -> dict[str, object]:
    return {"number": row.number, "name": row.name, "contact": row.contact, "bindings": row.bindings}


@app.command("list", epilog=examples("trunkline extension list", "trunkline extension list --json"))
def list_extensions(tenant: Tenant = None, data: Data = None, as_json: Json = False) -> None:
    """List extensions and how many phones are registered for each."""
    screen = Screen()
    with exchange(data, tenant) as asker:
        rows: list[ExtensionRow] = fetch(asker, ListExtensions())
    if as_json:
        screen.json(rows)
    else:
        screen.table(EXTENSIONS, rows, "No extensions. Add one: trunkline extension add 2001")


@app.command("remove", epilog=examples("trunkline extension remove 2001"))
def remove(number: Known, tenant: Tenant = None, data: Data = None, as_json: Json = False) -> None:
    """Remove an extension and its registrations; calls that are up go on."""
    screen = Screen()
    with exchange(data, tenant) as asker:
        removed = asker.ask(RemoveExtension(number=number))
    if as_json:
        screen.json({"number": removed.number, "bindings": removed.bindings})
    else:
        screen.line(f"extension {removed.number} removed ({removed.bindings} registrations)")


@app.command(
    "import",
    epilog=examples(
        "trunkline extension import people.csv",
        "trunkline extension import people.csv --replace",
    ),
)
def import_file(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help="CSV with the header number,password,name,contact.")
    ],
    replace: Annotated[bool, typer.Option("--replace", help="Change extensions that exist already.")] = False,
    tenant: Tenant = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Import extensions from a CSV file. Nothing is imported when any row is bad.

    A row without a password and without a contact gets a random password, printed once at the end.
    """
    screen = Screen()
    rows = read_extensions(file)
    with exchange(data, tenant) as asker:
        parts = _import(screen, asker, file, rows, replace=replace)
    _show_imported(screen, parts, as_json=as_json)


def _import(
    screen: Screen, asker: Asker, file: Path, rows: Sequence[ImportRow], *, replace: bool
) -> list[ExtensionsImported]:
    """Look at every chunk first, and write only when none has a problem."""
    from rich.progress import Progress  # noqa: PLC0415  (only this command draws a bar)

    chunks = [tuple(rows[at : at + CHUNK]) for at in range(0, len(rows), CHUNK)]
    with Progress(console=screen.err, transient=True, disable=not screen.err.is_terminal) as progress:
        bar = progress.add_task("checking", total=2 * len(rows))

        def send(chunk: tuple[ImportRow, ...], *, check: bool) -> ExtensionsImported:
            reply = asker.ask(ImportExtensions(rows=chunk, check=check, replace=replace))
            progress.update(bar, advance=len(chunk), description="checking" if check else "importing")
            return reply

        problems = _problems(chunks, lambda chunk: send(chunk, check=True))
        if problems:
            raise BadFile(file, problems)
        return [send(chunk, check=False) for chunk in chunks]


def _problems(
    chunks: Sequence[tuple[ImportRow, ...]], check: Callable[[tuple[ImportRow, ...]], ExtensionsImported]
) -> list[RowProblem]:
    return [problem for chunk in chunks for problem in check(chunk).problems]


def _show_imported(screen: Screen, parts: Sequence[ExtensionsImported], *, as_json: bool) -> None:
    added, replaced = sum(part.added for part in parts), sum(part.replaced for part in parts)
    generated: list[GeneratedPassword] = [one for part in parts for one in part.generated]
    warnings = [warning for part in parts for warning in part.warnings]
    late = [problem for part in parts for problem in part.problems]
    if as_json:
        screen.json(
            {
                "added": added,
                "replaced": replaced,
                "generated": generated,
                "warnings": warnings,
                "problems": late,
            }
        )
    else:
        screen.line(f"{added} extensions added, {replaced} replaced")
        if generated:
            screen.table(PASSWORDS, generated, "")
            screen.note("the passwords are shown this once")
        for warning in warnings[:20]:
            screen.warn(warning)
        if len(warnings) > 20:
            screen.warn(f"and {len(warnings) - 20} more weak passwords")
    for problem in late:
        # Somebody else changed the store between our look and our writing.
        screen.error(f"line {problem.line}: {problem.detail}")
    if late:
        raise typer.Exit(1)
