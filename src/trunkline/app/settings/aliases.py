"""Where published configurations of the existing mobile gateway put their settings, and where those stand here.

Its web site and its code differ: both are read. ``[apns]`` and ``[fcm]`` stand for ``[push.apns]`` and ``[push.fcm]``,
``topic`` for ``bundle_id``, keys of ``[server]`` for keys of ``[api]``.
"""

from __future__ import annotations

from typing import Any

from trunkline.app.settings.auth import PLACEHOLDERS
from trunkline.app.settings.errors import Path, Whole, dotted, show
from trunkline.app.settings.normalised import ABSENT, Normalised, is_port, pop, take
from trunkline.base.errors import ConfigError

_SECTIONS: dict[str, Path] = {"apns": ("push", "apns"), "fcm": ("push", "fcm")}
_KEYS: dict[Path, Path] = {
    ("server", "listen"): ("api", "listen"),
    ("server", "public_url"): ("api", "public_url"),
    ("push", "apns", "topic"): ("push", "apns", "bundle_id"),
}
_SECRETS: tuple[Path, ...] = (("auth", "secret"), ("auth", "api_key"))
_WITHOUT = {
    "secret": "tokens are signed with a secret derived from the data folder's key",
    "api_key": "no backend gets tokens by it",
}


def take_gateway(result: Normalised, source: str) -> None:
    """Put the gateway's settings where the models expect them."""
    alone = _is_gateway_alone(result.values)
    for name, target in _SECTIONS.items():
        _move(result, (name,), target, source)
    _take_host_and_port(result, source)
    for key, target in _KEYS.items():
        _move(result, key, target, source)
    for key in _SECRETS:
        _take_placeholder(result, key)
    if alone:
        result.values.setdefault("exchange", {"enabled": False})
        result.notices.append(
            "this is the configuration of a mobile gateway: exchange.enabled is false, and there are no extensions "
            "(domain, or exchange.enabled = true, says otherwise)"
        )


def _is_gateway_alone(values: dict[str, Any]) -> bool:
    """Those files name tokens and a database, and no domain of their own."""
    return "auth" in values and "database" in values and not {"domain", "exchange"} & values.keys()


def _take_host_and_port(result: Normalised, source: str) -> None:
    """``[server] host, port`` are ``api.listen``."""
    host = take(result, ("server", "host"), _is_text, 'an address such as "0.0.0.0"', source)
    port = take(result, ("server", "port"), is_port, "a port from 0 to 65535", source)
    if host is None and port is None:
        return
    shown = f"[{host}]" if host and ":" in host and not host.startswith("[") else host or "0.0.0.0"  # noqa: S104
    _put(
        result,
        ("api", "listen"),
        f"{shown}:{8080 if port is None else port}",
        ("server", "port" if host is None else "host"),
        source,
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _move(result: Normalised, key: Path, target: Path, source: str) -> None:
    value = pop(result.values, key)
    if value is not ABSENT:
        _put(result, target, value, key, source)


def _put(result: Normalised, target: Path, value: Any, key: Path, source: str) -> None:
    """Put what stood at ``key`` to its ``target``, unless something is there."""
    spelled = dotted(key, result.written)
    table: dict[str, Any] = result.values
    for part in target[:-1]:
        inner = table.setdefault(str(part), {})
        if not isinstance(inner, dict):  # the models say what is wrong with it
            return
        table = inner
    name = str(target[-1])
    if name in table:
        expected = f"one of {dotted(target, result.written)} and {spelled}, not both"
        result.errors.append(ConfigError(source, spelled, show(spelled, value), expected))
        return
    table[name] = value
    for path, written in list(result.written.items()):
        if path[: len(key)] == key:
            result.written[(*target, *path[len(key) :])] = written
    result.written[target] = Whole(spelled)


def _take_placeholder(result: Normalised, key: Path) -> None:
    """A value that everybody has read is no secret."""
    table = result.values.get(str(key[0]))
    name = str(key[1])
    if isinstance(table, dict) and table.get(name) in PLACEHOLDERS:
        del table[name]
        result.notices.append(f"{dotted(key, result.written)} is the example's: {_WITHOUT[name]}")
