"""``trunkline extension set``: change what an extension is."""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer

from trunkline.app.cli.asking import exchange
from trunkline.app.cli.completing import numbers
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Data, Json, Tenant
from trunkline.app.extension_rules import MAX_CALLS, check_extension
from trunkline.app.terminal import Screen
from trunkline.base.message_codec import plain
from trunkline.base.messages import DEFAULT_CALLS, ExtensionAdded, ExtensionChanged, SetExtension

_DEFAULT: Final = "default"
Calls = Annotated[
    str | None,
    typer.Option(
        "--max-calls",
        metavar="N",
        help="Calls it may have at once; 0 for any number, 'default' for limits.calls_per_extension.",
    ),
]


def set_extension(
    number: Annotated[
        str, typer.Argument(metavar="NUMBER", help="An extension that exists.", autocompletion=numbers)
    ],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Shown to those who are called.")] = None,
    password: Annotated[
        str | None, typer.Option(metavar="PASSWORD", help="A new password; '-' reads it from standard input.")
    ] = None,
    generate: Annotated[
        bool, typer.Option("--generate", help="A new random password, printed once.")
    ] = False,
    contact: Annotated[
        str | None, typer.Option(metavar="URI", help="A fixed SIP address; an empty one takes it away.")
    ] = None,
    max_calls: Calls = None,
    tenant: Tenant = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Change an extension; what is not given stays. With a new password a registered phone stays until it expires."""
    if generate and password is not None:
        raise typer.BadParameter("--generate makes a password, and --password gives one: choose one of them")
    password = password_of(password, number)
    ask = SetExtension(
        number=number,
        name=name,
        password=password,
        generate=generate,
        contact=contact,
        max_calls=parse_calls(max_calls),
    )
    if (ask.name, ask.password, ask.contact, ask.max_calls, generate) == (None, None, None, None, False):
        raise typer.BadParameter(
            "nothing to change: give --name, --password, --generate, --contact or --max-calls"
        )
    if problems := check_extension(number, password, name or "", contact or None):
        raise typer.BadParameter("; ".join(problems))
    with exchange(data, tenant) as asker:
        changed = asker.ask(ask)
    show_changed(changed, "changed", as_json=as_json)


def password_of(given: str | None, number: str) -> str | None:
    """What ``--password`` says; of "-" a line of standard input, which a terminal does not show."""
    if given != "-":
        return given
    if sys.stdin.isatty():
        return str(typer.prompt(f"password of {number}", hide_input=True, confirmation_prompt=True, err=True))
    return sys.stdin.readline().rstrip("\r\n")


def parse_calls(text: str | None) -> int | None:
    """What ``--max-calls`` says: a number, ``DEFAULT_CALLS``, or None when it is not given."""
    if text is None:
        return None
    if text == _DEFAULT:
        return DEFAULT_CALLS
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text) <= MAX_CALLS):
        raise typer.BadParameter(
            f"{text} is neither a number from 0 to {MAX_CALLS} nor {_DEFAULT!r}", param_hint="--max-calls"
        )
    return int(text)


def show_changed(changed: ExtensionAdded | ExtensionChanged, done: str, *, as_json: bool) -> None:
    """What an extension is now; its password when it was made just now."""
    screen = Screen()
    row = changed.extension
    if as_json:
        screen.json({**plain(row), "password": changed.password, "warnings": changed.warnings})
        return
    screen.line(f"extension {row.number} {done}")
    if changed.password is not None:
        screen.line(f"password {changed.password}", "bold green")
        screen.note("the password is shown this once")
    for warning in changed.warnings:
        screen.warn(warning)


def register(app: Commands) -> None:
    """Put the command into ``trunkline extension``."""
    app.command(
        "set",
        examples=[
            "trunkline extension set 2001 --name 'Front desk' --max-calls 4",
            "trunkline extension set 2001 --generate",
            "trunkline extension set 2001 --contact '' --max-calls default",
        ],
    )(set_extension)
