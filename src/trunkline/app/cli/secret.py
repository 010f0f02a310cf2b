"""``trunkline secret``: a good secret for the settings."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Json
from trunkline.app.terminal import Screen

BYTES = 32


def secret(
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", help="Write it into a new file for its owner alone."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a secret of 256 bits, such as for `auth.secret_file` and `push.webhook.secret_file`."""
    screen = Screen()
    made = secrets.token_urlsafe(BYTES)
    if file is not None:
        _write(file, made)
    if as_json:
        screen.json({"file": str(file)} if file is not None else {"secret": made})
    else:
        screen.line(made if file is None else f"a new secret is in {file}")


def _write(file: Path, made: str) -> None:
    try:
        number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise typer.BadParameter(
            f"{file} is there already: a secret that is in use is not overwritten"
        ) from None
    with os.fdopen(number, "w", encoding="ascii") as opened:
        opened.write(f"{made}\n")


def register(app: Commands) -> None:
    """Put the command into the program."""
    app.command(examples=["trunkline secret", "trunkline secret --file /etc/trunkline/auth.secret"])(secret)
