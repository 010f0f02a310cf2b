"""Read the settings: a file, the command line on top of it, and what follows from this host."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from trunkline.app.addresses import (
    HostAddresses,
    HostPort,
    bracketed,
    host_addresses,
    is_ip,
    is_unspecified,
    parse_host_port,
)
from trunkline.app.data_folder import DataFolder, find_data_folder
from trunkline.app.settings import Api, Listener, Media, Settings
from trunkline.app.settings.api import GATEWAY_LISTEN
from trunkline.app.settings.errors import from_validation, raise_all, show
from trunkline.app.settings.names import normalise
from trunkline.app.settings.values import DEFAULT_PORTS
from trunkline.base.errors import ConfigError

COMMAND_LINE = "command line"
MAX_FILE = 1_000_000
ALL_IPV4 = "0.0.0.0"  # noqa: S104  (phones are elsewhere)
_OPEN_HINTS: dict[type[OSError], str] = {
    FileNotFoundError: "is the name right?",
    IsADirectoryError: "name the file in it",
    PermissionError: "the user who runs trunkline must be able to read it",
}
# What people do most often, by the beginning of the parser's words.
_TOML_HINTS = {
    "Invalid value": 'a text stands in quotes: domain = "example.com"',
    "Expected newline or end of document after a statement": "one setting on each line; a text in quotes",
    "Expected '=' after a key": "key = value, or [section] in brackets",
    "Cannot overwrite a value": "the key stands twice in its section",
    "Cannot declare": "the section stands twice",
    "Unclosed array": "a closing ] is missing",
    "Illegal character": "a quotation mark is missing at the end of the line",
}
_JSON_HINTS = {
    "Expecting property name": "names stand in double quotes, and no comma stands before a }",
    "Expecting ',' delimiter": "a comma is missing before this place",
    "Expecting value": "a text stands in double quotes, and no comma stands before a ]",
    "Extra data": "the object has ended before",
}
OPTIONS = {
    "domain": "--domain",
    "sip.listen": "--listen",
    "sip.advertise": "--advertise",
    "metrics.listen": "--metrics",
    "api.listen": "--api",
    "log.level": "--log-level",
    "log.format": "--log-format",
    "trace.keep": "--trace",
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings with every default filled in, where they came from, and lines to tell the operator.

    ``overrides`` and ``host`` are what was laid on top of the file: a reload lays them on it again.
    """

    settings: Settings
    data: DataFolder
    config: Path | None = None
    notices: tuple[str, ...] = ()
    overrides: Mapping[str, Any] = field(default_factory=dict)
    host: HostAddresses | None = None


def load_settings(
    config: Path | None = None,
    data: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    host: HostAddresses | None = None,
    env: Mapping[str, str] = os.environ,
) -> Loaded:
    """The settings in force. ``overrides`` are dotted keys from the command line (``{"domain": …}``).

    Raises ConfigError (ConfigErrors when several settings are wrong).
    """
    notices: tuple[str, ...] = ()
    settings = Settings()
    if config is not None:
        settings, notices = parse_settings(read_file(config), str(config))
    if overrides:
        settings = _override(settings, overrides)
    host = host or host_addresses()
    settings = complete(settings, host)
    notices += tuple(_closed(settings))
    return Loaded(
        settings, find_data_folder(data, env, settings.data), config, notices, overrides or {}, host
    )


def _closed(settings: Settings) -> Iterator[str]:
    """A gateway that takes nobody is hardly meant, and nothing else would tell."""
    if not settings.exchange.enabled and not settings.mobile.domains:
        yield "mobile.domains is empty: no app can bring a SIP account; name the domains that you serve"


def load_again(loaded: Loaded) -> Loaded:
    """The same file once more, under the same options, for the same host; raises ConfigError."""
    return load_settings(loaded.config, loaded.data.path, loaded.overrides, loaded.host)


def read_file(path: Path) -> dict[str, Any]:
    """The tables of a TOML file, or of a JSON file when its name or first character says so."""
    raw = _read(path)
    if len(raw) > MAX_FILE:
        raise ConfigError(
            str(path),
            "the file",
            f"more than {MAX_FILE} bytes",
            "a file of settings",
            "is it the right file?",
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        hint = "save it as UTF-8" if error.start else "it looks like UTF-16: save it as UTF-8"
        raise ConfigError(
            str(path), f"line {line}", "bytes that are no UTF-8", "a text in UTF-8", hint
        ) from None
    is_json = path.suffix.lower() == ".json" or (path.suffix.lower() != ".toml" and text.lstrip()[:1] == "{")
    return _parse_json(text, str(path)) if is_json else _parse_toml(text, str(path))


def _read(path: Path) -> bytes:
    """The bytes, one more than allowed at the most: a device has no end."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE + 1)
    except OSError as error:
        why = error.strerror or "it cannot be read"
        hint = f"{why}: {_OPEN_HINTS[type(error)]}" if type(error) in _OPEN_HINTS else why
        raise ConfigError(COMMAND_LINE, "--config", str(path), "a readable file", hint) from None


def _parse_json(text: str, source: str) -> dict[str, Any]:
    try:
        tables = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(source, where, error.msg, "a JSON object", _hint(error.msg, _JSON_HINTS)) from None
    except RecursionError:
        raise ConfigError(source, "the file", "tables too deep inside each other", "a JSON object") from None
    if not isinstance(tables, dict):
        raise ConfigError(source, "line 1", show("", tables), "a JSON object", "settings stand in { }")
    return tables


def _parse_toml(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # The parser's words name the place ("at line 3, column 8") and never quote a value.
        said, _, place = str(error).rpartition(" (at ")
        raise ConfigError(
            source,
            place.removesuffix(")") or "syntax",
            said,
            "TOML (https://toml.io)",
            _hint(said, _TOML_HINTS),
        ) from None
    except RecursionError:
        raise ConfigError(source, "the file", "tables too deep inside each other", "TOML") from None


def _hint(said: str, hints: Mapping[str, str]) -> str:
    return next((hint for words, hint in hints.items() if said.startswith(words)), "")


def parse_settings(raw: Mapping[str, Any], source: str) -> tuple[Settings, tuple[str, ...]]:
    """Settings as written (defaults of this host not filled in) and notices; raises ConfigError."""
    normalised = normalise(raw, source)
    errors = list(normalised.errors)
    try:
        settings = Settings.model_validate(normalised.values)
    except ValidationError as error:
        errors += from_validation(error, Settings, source, normalised.written)
        settings = Settings()
    raise_all(errors)
    return settings, tuple(normalised.notices)


def _override(settings: Settings, overrides: Mapping[str, Any]) -> Settings:
    """Put dotted keys on top; an error names the option, not a file."""
    tree = settings.model_dump(exclude_unset=True)
    for key, value in overrides.items():
        table = tree
        *parents, last = key.split(".")
        for parent in parents:
            table = table.setdefault(parent, {})
        table[last] = value
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        found = from_validation(error, Settings, COMMAND_LINE, {})
        raise_all([ConfigError(COMMAND_LINE, _option(e.key), e.seen, e.expected, e.hint) for e in found])
        raise


def _option(key: str) -> str:
    """``sip.listen[0].url`` was given as ``--listen``."""
    name = key.partition("[")[0]
    return OPTIONS.get(name, name)


def complete(settings: Settings, host: HostAddresses) -> Settings:
    """Fill in what follows from this host: listeners, advertised addresses, media address, domain."""
    listeners = settings.sip.listen or default_listeners(host)
    listeners = tuple(_advertised(listener, settings.sip.advertise, host) for listener in listeners)
    sip = settings.sip.model_copy(update={"listen": listeners})
    media = _complete_media(settings, listeners, host)
    domain = settings.domain or bracketed(listeners[0].advertised.host)
    update = {"sip": sip, "media": media, "domain": domain, "api": _complete_api(settings)}
    return settings.model_copy(update=update)


def _complete_api(settings: Settings) -> Api:
    """A mobile gateway is nothing without its API; an exchange opens one more port only when it is told to."""
    if settings.api.listen is not None:
        return settings.api
    listen = "off" if settings.exchange.enabled else GATEWAY_LISTEN
    return settings.api.model_copy(update={"listen": listen})


def default_listeners(host: HostAddresses) -> tuple[Listener, ...]:
    """Every transport on its port, on every address family that the host has."""
    families = [ALL_IPV4, "[::]"] if host.binds_ipv6 else [ALL_IPV4]
    return tuple(
        Listener(url=f"{kind}:{at}:{port}") for at in families for kind, port in DEFAULT_PORTS.items()
    )


def _advertised(listener: Listener, advertise: str | None, host: HostAddresses) -> Listener:
    if listener.advertise:
        return listener
    bound = listener.address.host
    shown = HostPort(bound)
    if is_unspecified(bound):
        shown = HostPort((host.ipv6 or "::1") if ":" in bound else host.ipv4)
    given = parse_host_port(advertise) if advertise else shown
    if not (is_ip(given.host) and (":" in given.host) != (":" in bound)):
        # An address of the other family would be unreachable over this listener.
        shown = given if listener.transport in {"udp", "tcp"} else HostPort(given.host)
    return listener.model_copy(update={"advertise": str(shown)})


def _complete_media(settings: Settings, listeners: tuple[Listener, ...], host: HostAddresses) -> Media:
    """Media goes where signalling goes, unless the settings say otherwise."""
    hosts = {listener.address.host for listener in listeners}
    address = settings.media.address or (hosts.pop() if len(hosts) == 1 else ALL_IPV4)
    shown = settings.media.advertise or _media_advertise(address, settings.sip.advertise, host)
    return settings.media.model_copy(update={"address": address, "advertise": shown})


def _media_advertise(address: str, sip_advertise: str | None, host: HostAddresses) -> str:
    """SDP wants an IP address: that of ``sip.advertise``, else the bound one, else the host's."""
    if sip_advertise and is_ip(given := parse_host_port(sip_advertise).host):
        return given
    if not is_unspecified(address):
        return address
    return host.ipv6 if ":" in address and host.ipv6 else host.ipv4
