"""What every command to a media engine and every reply of it has in common."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar, Generic, Self, TypeVar

from trunkline.media.statistics import PortStatistics


class Reply:
    """What a command is answered with."""

    __slots__ = ()
    kind: ClassVar[str] = ""

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; ``kind`` names the class."""
        return {"kind": self.kind} | {field.name: _plain(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]  # every subclass is a dataclass

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Reads what ``to_dict`` wrote."""
        return cls(**{name: value for name, value in data.items() if name != "kind"})


R = TypeVar("R", bound=Reply)
R_co = TypeVar("R_co", bound=Reply, covariant=True)


class Command(Generic[R_co]):
    """What a media engine is told; ``R_co`` is the reply that it gives."""

    __slots__ = ()
    kind: ClassVar[str] = ""

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; ``kind`` names the class."""
        return {"kind": self.kind} | {field.name: _plain(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]  # every subclass is a dataclass

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Reads what ``to_dict`` wrote; TypeError when a field is missing or unknown."""
        return cls(**{name: value for name, value in data.items() if name != "kind"})


def _plain(value: Any) -> Any:
    if isinstance(value, PortStatistics):
        return value.to_dict()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value


@dataclass(slots=True)
class Done(Reply):
    """The engine has taken note."""

    kind: ClassVar[str] = "done"
