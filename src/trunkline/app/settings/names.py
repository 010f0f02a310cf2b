"""Spellings and aliases: published configurations load unchanged.

A key may be written in camelCase. An alias stands for another setting; a key that belongs to a part of the
product which this version does not have yet is accepted, left unread and told as a notice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel

from trunkline.app.settings import Settings
from trunkline.app.settings.errors import Path, model_in, show, unknown_key
from trunkline.base.errors import ConfigError

# Sections (or single keys) of published configurations, and what they are for.
NOT_ACTIVE: dict[Path, str] = {
    ("auth",): "tokens of the mobile API",
    ("apns",): "push to Apple devices",
    ("fcm",): "push to Android devices",
    ("gateways",): "gateway plug-ins and their routes",
    ("server", "host"): "the HTTP API",
    ("server", "port"): "the HTTP API",
    ("server", "trunk_port"): "the trunk side",
}
STORE_NAME = "trunkline.db"
# What an alias stands for; these keys are consumed before the models see them.
SIP_PORT: Path = ("server", "sip_port")
LOCAL_PORT: Path = ("sip", "local_port")
LOCAL_TRANSPORT: Path = ("sip", "transport")
_SERVER_KEYS = ("host", "port", "sipPort", "trunkPort")
DATABASE_PATH: Path = ("database", "path")


@dataclass(slots=True)
class Normalised:
    """Keys in our spelling; ``written`` maps a path to the file's own spelling."""

    values: dict[str, Any]
    written: dict[Path, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    errors: list[ConfigError] = field(default_factory=list)


def snake(name: str) -> str:
    """``sipPort`` is ``sip_port``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def normalise(raw: Mapping[str, Any], source: str) -> Normalised:
    """Bring spelling and aliases of a parsed file into the shape of the models."""
    result = Normalised({})
    result.values = _respell(raw, Settings, (), source, result)
    _set_aside(result)
    _take_aliases(result, source)
    _take_database(result, source)
    return result


def _respell(
    raw: Mapping[str, Any], model: type[BaseModel] | None, at: Path, source: str, result: Normalised
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in raw.items():
        name = key if model and key in model.model_fields else snake(key)
        path = (*at, name)
        if name in values:
            earlier = result.written.get(path, name)
            expected = f"one of {earlier} and {key}, not both"
            result.errors.append(
                ConfigError(source, ".".join(map(str, (*at, key))), show(key, value), expected)
            )
            continue
        if name != key:
            result.written[path] = key
        values[name] = _respell_value(value, _inner(model, name), path, source, result)
    return values


def _respell_value(
    value: Any, model: type[BaseModel] | None, path: Path, source: str, result: Normalised
) -> Any:
    if isinstance(value, dict):
        return _respell(value, model, path, source, result)
    if isinstance(value, list):
        return [_respell_value(item, model, (*path, at), source, result) for at, item in enumerate(value)]
    return value


def _inner(model: type[BaseModel] | None, name: str) -> type[BaseModel] | None:
    known = model.model_fields.get(name) if model else None
    return model_in(known.annotation) if known else None


def _set_aside(result: Normalised) -> None:
    """Take out what is known but not active yet."""
    for path, purpose in NOT_ACTIVE.items():
        if _pop(result.values, path) is not _ABSENT:
            key = ".".join(result.written.get(path[: at + 1], str(part)) for at, part in enumerate(path))
            result.notices.append(f"{key} is not active yet in this version ({purpose})")


def _take_aliases(result: Normalised, source: str) -> None:
    """``server.sipPort`` and ``[sip] transport, local_port`` stand for ``sip.listen``."""
    listeners: list[str] = []
    port = _take(result, SIP_PORT, _is_port, "a port from 0 to 65535", source)
    if port is not None:
        listeners += [f"udp:0.0.0.0:{port}", f"tcp:0.0.0.0:{port}"]
    transport = _take(
        result, LOCAL_TRANSPORT, lambda value: value in {"udp", "tcp"}, "'udp' or 'tcp'", source
    )
    local = _take(result, LOCAL_PORT, _is_port, "a port from 0 to 65535", source)
    if transport is not None or local is not None:
        listeners.append(f"{transport or 'udp'}:0.0.0.0:{5060 if local is None else local}")
    _refuse_rest_of_server(result, source)
    if not listeners:
        return
    sip = result.values.setdefault("sip", {})
    if isinstance(sip, dict) and "listen" in sip:
        expected = "either sip.listen or an alias for it (server.sipPort, sip.local_port), not both"
        result.errors.append(ConfigError(source, "sip.listen", show("listen", sip["listen"]), expected))
    elif isinstance(sip, dict):
        sip["listen"] = list(dict.fromkeys(listeners))


def _refuse_rest_of_server(result: Normalised, source: str) -> None:
    """``[server]`` has no model: what the aliases left of it is unknown."""
    server = result.values.get("server")
    if isinstance(server, dict):
        del result.values["server"]
        for name in server:
            key = result.written.get(("server", name), str(name))
            result.errors.append(unknown_key(source, f"server.{key}", key, _SERVER_KEYS))


def _take_database(result: Normalised, source: str) -> None:
    """``database.path`` names a file: our store is another one, in the folder of that file."""
    path = _take(result, DATABASE_PATH, _is_path, 'the path of a file such as "/data/gateway.db"', source)
    rest = result.values.pop("database", {})
    if rest != {}:
        result.notices.append("database is not active in this version beyond its path (the store is SQLite)")
    if path is None:
        return
    if "data" in result.values:
        expected = "either data or database.path, whose folder stands for it, not both"
        result.errors.append(ConfigError(source, "database.path", show("path", path), expected))
        return
    folder = str(PurePath(path).parent)
    result.values["data"] = folder
    result.notices.append(f"database.path stands for data = {json.dumps(folder)}: {STORE_NAME} is kept there")


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and "\0" not in value


_ABSENT = object()


def _take(result: Normalised, path: Path, valid: Callable[[Any], bool], expected: str, source: str) -> Any:
    value = _pop(result.values, path)
    if value is _ABSENT:
        return None
    if valid(value):
        return value
    key = ".".join(result.written.get(path[: at + 1], str(part)) for at, part in enumerate(path))
    result.errors.append(ConfigError(source, key, show(key, value), expected))
    return None


def _is_port(value: Any) -> bool:
    return type(value) is int and 0 <= value <= 65535


def _pop(values: dict[str, Any], path: Path) -> Any:
    table: Any = values
    for part in path[:-1]:
        table = table.get(part) if isinstance(table, dict) else None
    if not isinstance(table, dict):
        return _ABSENT
    return table.pop(str(path[-1]), _ABSENT)
