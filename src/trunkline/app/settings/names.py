"""Spellings and aliases: published configurations load unchanged.

A key may be written in camelCase. An alias stands for another setting; a key that belongs to a part of the
product which this version does not have yet is accepted, left unread and told as a notice.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel

from trunkline.app.settings import Settings
from trunkline.app.settings.aliases import take_gateway
from trunkline.app.settings.errors import Path, dotted, model_in, show, unknown_key
from trunkline.app.settings.normalised import ABSENT, Normalised, is_port, pop, take
from trunkline.base.errors import ConfigError

# Sections (or single keys) of published configurations, and what they are for.
NOT_ACTIVE: dict[Path, str] = {
    ("gateways",): "gateway plug-ins and their routes",
    ("server", "trunk_port"): "the trunk side",
}
STORE_NAME = "trunkline.db"
# What an alias stands for; these keys are consumed before the models see them.
SIP_PORT: Path = ("server", "sip_port")
LOCAL_PORT: Path = ("sip", "local_port")
LOCAL_TRANSPORT: Path = ("sip", "transport")
_SERVER_KEYS = ("host", "port", "listen", "publicUrl", "sipPort", "trunkPort")
DATABASE_PATH: Path = ("database", "path")
DATABASE_URL: Path = ("database", "url")
_sqlite = re.compile(r"sqlite:(?://)?(?P<path>[^?]+)(\?.*)?\Z").match


def snake(name: str) -> str:
    """``sipPort`` is ``sip_port``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def normalise(raw: Mapping[str, Any], source: str) -> Normalised:
    """Bring spelling and aliases of a parsed file into the shape of the models."""
    result = Normalised({})
    result.values = _respell(raw, Settings, (), source, result)
    _set_aside(result)
    take_gateway(result, source)
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
        if pop(result.values, path) is not ABSENT:
            key = dotted(path, result.written)
            result.notices.append(f"{key} is not active yet in this version ({purpose})")


def _take_aliases(result: Normalised, source: str) -> None:
    """``server.sipPort`` and ``[sip] transport, local_port`` stand for ``sip.listen``."""
    listeners: list[str] = []
    port = take(result, SIP_PORT, is_port, "a port from 0 to 65535", source)
    if port is not None:
        listeners += [f"udp:0.0.0.0:{port}", f"tcp:0.0.0.0:{port}"]
    transport = take(result, LOCAL_TRANSPORT, lambda value: value in {"udp", "tcp"}, "'udp' or 'tcp'", source)
    local = take(result, LOCAL_PORT, is_port, "a port from 0 to 65535", source)
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
    """``database.path`` and ``database.url`` name a file: our store is another one, in the folder of that file."""
    key, path = _database_file(result, source)
    rest = result.values.pop("database", {})
    if rest != {}:
        result.notices.append("database is not active in this version beyond its path (the store is SQLite)")
    if path is None:
        return
    if "data" in result.values:
        expected = f"either data or {key}, whose folder stands for it, not both"
        result.errors.append(ConfigError(source, key, show("path", path), expected))
        return
    folder = str(PurePath(path).parent)
    result.values["data"] = folder
    result.notices.append(f"{key} stands for data = {json.dumps(folder)}: {STORE_NAME} is kept there")


def _database_file(result: Normalised, source: str) -> tuple[str, str | None]:
    path = take(result, DATABASE_PATH, _is_path, 'the path of a file such as "/data/gateway.db"', source)
    url = take(
        result, DATABASE_URL, _is_sqlite, 'the URL of a file such as "sqlite:/data/gateway.db"', source
    )
    if path is not None and url is not None:
        expected = "one of database.path and database.url, not both"
        result.errors.append(ConfigError(source, "database.url", show("url", url), expected))
    if path is None and url is not None and (found := _sqlite(url)):
        return "database.url", found["path"]
    return "database.path", path


def _is_sqlite(value: Any) -> bool:
    return isinstance(value, str) and bool(_sqlite(value)) and "\0" not in value


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and "\0" not in value
