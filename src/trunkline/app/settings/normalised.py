"""What a file of settings becomes on its way to the models: values in our spelling, with the file's own beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from trunkline.app.settings.errors import Path, dotted, show
from trunkline.base.errors import ConfigError

ABSENT: Final = object()


@dataclass(slots=True)
class Normalised:
    """Keys in our spelling; ``written`` maps a path to the file's own spelling."""

    values: dict[str, Any]
    written: dict[Path, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    errors: list[ConfigError] = field(default_factory=list)


def pop(values: dict[str, Any], path: Path) -> Any:
    """Take a value out; ``ABSENT`` when it is not there."""
    table: Any = values
    for part in path[:-1]:
        table = table.get(part) if isinstance(table, dict) else None
    if not isinstance(table, dict):
        return ABSENT
    return table.pop(str(path[-1]), ABSENT)


def take(result: Normalised, path: Path, valid: Callable[[Any], bool], expected: str, source: str) -> Any:
    """Take an alias's value out; None when it is not there, or wrong and told so."""
    value = pop(result.values, path)
    if value is ABSENT:
        return None
    if valid(value):
        return value
    key = dotted(path, result.written)
    result.errors.append(ConfigError(source, key, show(key, value), expected))
    return None


def is_port(value: Any) -> bool:
    """Whether it is a whole number that a port may have."""
    return type(value) is int and 0 <= value <= 65535
