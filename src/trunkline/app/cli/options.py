"""Options that several commands share."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Data: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Data folder. Default: $TRUNKLINE_DATA, ./data when it exists, else the user's data folder.",
        show_default=False,
    ),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_AGO = re.compile(r"(\d{1,6})([smhdw])")
_UNIT = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def examples(*lines: str) -> str:
    """An epilog with one example per line."""
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
