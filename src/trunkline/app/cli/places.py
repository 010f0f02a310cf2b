"""Where each command of the program is.

Its module is imported when the command is first asked for, and it alone is made: a start needs one command, and
making all of them would take longer than most of them run.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from typer.main import get_group

from trunkline.app.cli.help import Commands

# The module of each command; its ``register`` puts the command into a Commands.
_COMMANDS: Final = {
    "up": "up",
    "version": "up",
    "calls": "live",
    "hangup": "live",
    "status": "live",
    "stop": "live",
    "check": "check",
    "reload": "reload",
    "drain": "drain",
    "records": "past",
    "explain": "explain",
    "trace": "trace",
    "backup": "backup",
    "restore": "backup",
    "completion": "completion",
    "subscriptions": "subscriptions",
    "trunks": "trunks",
    "secret": "secret",
}
# Groups of commands: the ``app`` of the module of that name.
_GROUPS: Final = (
    "extension",
    "tenant",
    "devices",
    "bans",
    "log",
    "media",
    "recording",
    "conference",
    "phone",
    "texts",
    "mwi",
    "registrations",
    "dev",
    "demo",
)


class Places(Mapping[str, Any]):
    """All commands and groups by name."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made |= _made_of(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        yield from (*_COMMANDS, *_GROUPS)

    def __len__(self) -> int:
        return len(_COMMANDS) + len(_GROUPS)


def _made_of(name: str) -> dict[str, Any]:
    """What the module of this command makes; raises KeyError when there is no such command."""
    part = Commands("")
    if name in _GROUPS:
        part.add_typer(_module(name).app, name=name)
    else:
        _module(_COMMANDS[name]).register(part)
    return dict(get_group(part).commands)


def _module(name: str) -> Any:
    return importlib.import_module(f"trunkline.app.cli.{name}")
