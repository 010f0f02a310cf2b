"""Messages between the planes as plain data: a stable name, a strict decoder, a registry.

A message is a frozen, slotted dataclass declared with ``@message("call.list")``. On the wire it is a JSON
object: ``{"type": "call.list", "tenant": null, …}``. Decoding checks every field against its annotation and
never repeats a value in an error, because a value may be a password.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from typing import (
    Any,
    ClassVar,
    Self,
    TypeVar,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from trunkline.base.errors import RemoteProtocolError

C = TypeVar("C")
M = TypeVar("M", bound="Message")

REGISTRY: dict[str, type[Message]] = {}
_SCALARS: dict[type, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


class MessageError(RemoteProtocolError):
    """What arrived is no message of ours; ``code`` is stable (``message.unknown`` or ``message.invalid``)."""

    def __init__(self, reason: str, code: str = "message.invalid") -> None:
        super().__init__(reason, status=400)
        self.code = code


class Message:
    """Anything with a stable ``type`` name that crosses between planes."""

    __slots__ = ()
    type: ClassVar[str] = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-ready data, with ``type``."""
        return {"type": self.type, **plain(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The message from the data of ``to_dict``; raises MessageError when a field is wrong or unknown."""
        body = {key: value for key, value in data.items() if key != "type"}
        if data.get("type", cls.type) != cls.type:
            raise MessageError(f"expected a message of type {cls.type}", "message.unknown")
        return _build(cls, body, cls.type)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def message(name: str) -> Callable[[type[M]], type[M]]:
    """Declare a message: a frozen, slotted, keyword-only dataclass, registered under ``name``."""

    def declare(cls: type[M]) -> type[M]:
        if name in REGISTRY:
            raise ValueError(f"two messages are called {name}")
        made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
        made.type = name
        REGISTRY[name] = made
        return made

    return declare


def decode(data: object) -> Message:
    """Any registered message from plain data; raises MessageError."""
    if not isinstance(data, Mapping):
        raise MessageError("a message is a JSON object with a type")
    name = data.get("type")
    cls = REGISTRY.get(name) if isinstance(name, str) else None
    if cls is None:
        seen = name[:40] if isinstance(name, str) and name.isprintable() else "nothing readable"
        raise MessageError(f"no message is called {seen}{_nearest(seen, REGISTRY)}", "message.unknown")
    return cls.from_dict(data)


def plain(value: Any) -> Any:
    """Dataclasses to dictionaries and tuples to lists, all the way down."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


@cache
def _hints(cls: type) -> dict[str, Any]:
    return {name: hint for name, hint in get_type_hints(cls).items() if get_origin(hint) is not ClassVar}


def _build(cls: type[C], data: Mapping[str, Any], where: str) -> C:
    """A dataclass from a mapping, its fields checked."""
    hints = _hints(cls)  # type: ignore[arg-type]
    for key in data:
        if key not in hints:
            shown = key[:40] if key.isprintable() else "?"
            raise MessageError(f"{where} has no field {shown}{_nearest(shown, hints)}")
    for field in fields(cls):  # type: ignore[arg-type]
        required = field.default is MISSING and field.default_factory is MISSING
        if required and field.name not in data:
            raise MessageError(f"{where}.{field.name} is missing")
    return cls(**{key: _convert(hints[key], value, f"{where}.{key}") for key, value in data.items()})


def _convert(hint: Any, value: Any, where: str) -> Any:
    """``value`` as the annotation ``hint`` wants it, or MessageError."""
    if hint is Any:
        return value
    if hint in _SCALARS:
        return _scalar(hint, value, where)
    origin = get_origin(hint)
    if origin in {types.UnionType, Union}:
        return _union(get_args(hint), value, where)
    if origin is tuple and isinstance(value, list | tuple):
        item = get_args(hint)[0]
        return tuple(_convert(item, element, f"{where}[{at}]") for at, element in enumerate(value))
    if origin is dict and isinstance(value, dict):
        item = get_args(hint)[1]
        return {
            str(key): _convert(item, element, f"{where}.{str(key)[:40]}") for key, element in value.items()
        }
    if isinstance(hint, type) and is_dataclass(hint) and isinstance(value, Mapping):
        return _build(hint, value, where)
    raise MessageError(f"{where} must be {_expected(hint)}, not {_kind(value)}")


def _scalar(hint: type, value: Any, where: str) -> Any:
    if type(value) is hint:
        return value
    if hint is float and type(value) is int:
        return float(value)
    raise MessageError(f"{where} must be {_SCALARS[hint]}, not {_kind(value)}")


def _union(options: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and types.NoneType in options:
        return None
    inner = [option for option in options if option is not types.NoneType]
    if len(inner) == 1:
        return _convert(inner[0], value, where)
    if type(value) in inner:
        return value
    expected = ", ".join(_expected(option) for option in inner)
    raise MessageError(f"{where} must be one of {expected}, not {_kind(value)}")


def _expected(hint: Any) -> str:
    if hint in _SCALARS:
        return _SCALARS[hint]
    return "a list" if get_origin(hint) is tuple else "an object"


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, list | tuple):
        return "a list"
    return _SCALARS.get(type(value), "an object")


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
