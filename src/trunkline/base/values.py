"""Values that are made many times in a call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

C = TypeVar("C")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[C]) -> type[C]:
    """Declare a value: a slotted dataclass that is compared and hashed by what it holds, and never changed.

    The type checker sees to that. Of a dataclass that sees to it itself, making one costs five times as much: each
    field is set by a call of ``object.__setattr__``.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
