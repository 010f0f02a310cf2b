"""From pydantic's findings to errors that name file, key, value, what is expected and the nearest name."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from trunkline.app.redaction import HIDDEN, is_secret
from trunkline.base.errors import ConfigError

Path = tuple[str | int, ...]


class Whole(str):
    """How the file spells a whole path, where it stands elsewhere in it than in the models."""

    __slots__ = ()


_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "a text",
    "bool_type": "true or false",
    "model_type": "a table of settings",
    "model_attributes_type": "a table of settings",
    "dict_type": "a table of settings",
    "missing": "a value",
}


class ConfigErrors(ConfigError):  # noqa: N818  (several of them)
    """Several wrong settings at once; ``errors`` holds each, the fields of this one are the first's."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        self.errors = tuple(errors)
        first = self.errors[0]
        super().__init__(first.source, first.key, first.seen, first.expected, first.hint)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


def raise_all(errors: Sequence[ConfigError]) -> None:
    """Nothing when there is none, the error when there is one, all of them otherwise."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ConfigErrors(errors)


def from_validation(
    error: ValidationError, model: type[BaseModel], source: str, written: Mapping[Path, str]
) -> list[ConfigError]:
    """``written`` maps a path to the key as the file spells it, where that differs."""
    return [_one(detail, model, source, written) for detail in error.errors(include_url=False)]


def _one(
    detail: ErrorDetails, model: type[BaseModel], source: str, written: Mapping[Path, str]
) -> ConfigError:
    context: dict[str, Any] = detail.get("ctx", {})
    path: Path = detail["loc"]
    if context.get("at"):
        path = (*path, context["at"])
    key = dotted(path, written)
    if detail["type"] == "extra_forbidden":
        return unknown_key(source, key, str(path[-1]), keys_at(model, path[:-1]), model)
    seen = context.get("seen") or show(key, detail["input"])
    if detail["type"] == "missing":
        seen = "nothing"
    hint = context.get("hint", "") or _unquoted(detail)
    if detail["type"] == "literal_error":
        hint = _did_you_mean(str(detail["input"]), context.get("expected", "").replace("'", "").split(" or "))
    return ConfigError(source, key, seen, _expected(detail, context), hint)


def unknown_key(
    source: str, key: str, name: str, known: Sequence[str], model: type[BaseModel] | None = None
) -> ConfigError:
    """A key that does not exist, with the nearest that does: of its table, else of another one of ``model``."""
    hint = _did_you_mean(name, known)
    elsewhere = [path for path in _paths_in(model) if path.rpartition(".")[2] == name] if model else []
    if elsewhere:
        hint = f"did you mean {' or '.join(elsewhere)}?"
    return ConfigError(source, key, "an unknown key", f"one of {', '.join(known)}", hint)


def _paths_in(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key by its dotted path."""
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _paths_in(inner, f"{prefix}{name}.")


def _unquoted(detail: ErrorDetails) -> str:
    """A number, true or false that somebody put into quotes."""
    seen = detail["input"]
    if detail["type"] not in {"int_type", "float_type", "bool_type"} or not isinstance(seen, str):
        return ""
    return "without quotes" if re.fullmatch(r"[-+\d._]+|true|false", seen.strip().lower()) else ""


def _did_you_mean(name: str, known: Sequence[str]) -> str:
    plain = [option.strip() for part in known for option in part.split(",")]
    near = get_close_matches(name.lower(), plain, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else ""


def _expected(detail: ErrorDetails, context: Mapping[str, Any]) -> str:
    kind = detail["type"]
    if kind in _EXPECTED:
        return _EXPECTED[kind]
    if kind == "greater_than_equal":
        return f"at least {context['ge']:g}"
    if kind == "less_than_equal":
        return f"at most {context['le']:g}"
    if kind == "literal_error":
        return f"one of {context['expected'].replace(' or ', ', ')}"
    if kind == "string_too_long":
        return f"at most {context['max_length']} characters"
    return str(context.get("expected") or detail["msg"])


def show(key: str, value: object) -> str:
    """The value for an error message: short, on one line, and nothing of a secret."""
    if is_secret(key):
        return HIDDEN
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def dotted(path: Path, written: Mapping[Path, str]) -> str:
    """``sip.listen[1].url``, spelled as in the file."""
    text = ""
    for depth in range(1, len(path) + 1):
        part = written.get(path[:depth], path[depth - 1])
        if isinstance(part, Whole):
            text = part
            continue
        text = f"{text}[{part}]" if isinstance(part, int) else f"{text}.{part}" if text else str(part)
    return text


def keys_at(model: type[BaseModel], path: Path) -> list[str]:
    """The keys that may stand at ``path``."""
    for part in path:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        inner = model_in(field.annotation) if field else None
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside an annotation such as ``tuple[Listener, ...]``, or None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in typing.get_args(annotation):
        if (found := model_in(argument)) is not None:
            return found
    return None
