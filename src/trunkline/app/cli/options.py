"""Options that several commands share."""

from __future__ import annotations

import re
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeAlias

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

_SPAN = re.compile(r"(\d{1,7}(?:\.\d{1,3})?)([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGO = re.compile(r"(\d{1,6})([smhdw])")


def span(text: str | float) -> float:
    """Seconds of ``90``, ``0.5``, ``90s``, ``30m``, ``12h`` or ``7d``."""
    match = _SPAN.fullmatch(str(text))
    if match is None:
        raise typer.BadParameter(f"{text} is no time such as 90s, 30m, 12h or 7d")
    return float(match[1]) * _SECONDS[match[2]]


def parse_since(text: str | None) -> float | None:
    """``90m``, ``2d`` (ago) or ``2026-11-21 20:30`` (local time), in seconds since 1970."""
    if text is None:
        return None
    if ago := _AGO.fullmatch(text):
        return time.time() - int(ago[1]) * _SECONDS[ago[2]]
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text} is neither a time such as 2026-11-21T20:30 nor an age such as 2h", param_hint="--since"
        ) from None
    return at.timestamp()
