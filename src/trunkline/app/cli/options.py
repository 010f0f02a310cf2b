"""Options that several commands share."""

from __future__ import annotations

import os
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from trunkline.app.cli.completing import tenants

Data: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Data folder. Default: $TRUNKLINE_DATA, ./data when it exists, else the user's data folder.",
        show_default=False,
    ),
]
Tenant: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--tenant",
        metavar="NAME",
        envvar="TRUNKLINE_TENANT",
        show_envvar=False,
        help='Of this tenant. Default: $TRUNKLINE_TENANT, else the tenant "default".',
        show_default=False,
        autocompletion=tenants,
    ),
]
TenantOnly: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--tenant",
        metavar="NAME",
        envvar="TRUNKLINE_TENANT",
        show_envvar=False,
        help="Count this tenant's extensions and calls only. Default: $TRUNKLINE_TENANT, else all tenants.",
        show_default=False,
        autocompletion=tenants,
    ),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_AGO = re.compile(r"(\d{1,6})([smhdw])")
_UNIT = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def help_form() -> Literal["rich"] | None:
    """Help and usage errors with frames and colours on a terminal that can show them, else plain text."""
    if os.environ.get("FORCE_COLOR"):
        return "rich"
    capable = os.environ.get("TERM", "") not in {"dumb", "unknown"}
    return "rich" if capable and sys.stdout is not None and sys.stdout.isatty() else None


def examples(*lines: str) -> str:
    """An epilog with one example per line."""
    if help_form() is None:
        return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])  # \b keeps lines as they are
    return "\n\n".join(["Examples:", *(f"  {line}" for line in lines)])


def parse_since(text: str | None) -> float | None:
    """``90m``, ``2d`` (ago) or ``2026-11-21 20:30`` (local time), in seconds since 1970."""
    if text is None:
        return None
    now = datetime.now().astimezone()
    if ago := _AGO.fullmatch(text):
        return (now - timedelta(**{_UNIT[ago[2]]: int(ago[1])})).timestamp()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text} is neither a time such as 2026-11-21T20:30 nor an age such as 2h"
        ) from None
    return at.timestamp()
