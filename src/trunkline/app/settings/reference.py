"""``docs/reference/configuration.md``, generated from the settings models.

``python -m trunkline.app.settings.reference`` writes it to standard output.
"""

from __future__ import annotations

import json
import sys
import types
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from trunkline.app.settings import Certificate, Listener, Peer, Settings
from trunkline.app.settings.errors import model_in
from trunkline.app.settings.events import WatchList
from trunkline.app.settings.live import LIVE, RESTART
from trunkline.app.settings.names import NOT_ACTIVE
from trunkline.app.settings.values import PortRange

_INTRO = """# Configuration

This page is generated from the settings models (`make docs`).

`trunkline up --config FILE` reads a TOML or a JSON file. Every key is optional; without a file Trunkline
listens on UDP and TCP 5060, TLS 5061, WebSocket 5066 and secure WebSocket 5067, on all addresses of the host. A
wrong key or value stops the start, with the file, the key, the value seen, what is expected and the nearest valid
name. Options of the command line win over the file. What an operator changes while the exchange runs, such as
extensions, is kept in the data folder.

`trunkline check --config FILE` looks at the file, and at the host it is meant for, before anything is started
([how](../how-to/check.md)); [wrong settings and what is said about them](mistakes.md) has examples. After a change
`trunkline reload`, or SIGHUP, lets the settings that are marked as live take effect at once, while calls go on; the
others wait for the next start ([how](../how-to/reload.md)).

The data folder is `--data DIR`, else `$TRUNKLINE_DATA`, else `data` in the file, else `./data` when that folder
exists, else `$XDG_DATA_HOME/trunkline` (`~/.local/share/trunkline`).

```toml
domain = "example.com"

[sip]
listen = ["udp:0.0.0.0:5060", "tcp:0.0.0.0:5060", { url = "udp:192.0.2.1:5080", role = "trunk" }]
advertise = "203.0.113.5"

[media]
ports = "10000-20000"

[metrics]
listen = "127.0.0.1:9090"
```
"""
_ALIASES = """## Other spellings

- Keys may be written in camelCase: `ringTimeoutS` is `ring_timeout_s`.
- `server.sipPort = 5060` stands for `sip.listen = ["udp:0.0.0.0:5060", "tcp:0.0.0.0:5060"]`.
- `[sip] transport = "udp", local_port = 5060` stands for `sip.listen = ["udp:0.0.0.0:5060"]`.
- `database.path = "/data/gateway.db"` stands for `data = "/data"`: the store is `trunkline.db` in that folder.
  `database.url = "sqlite:/data/gateway.db"` says the same.
- `[server] host = "0.0.0.0", port = 8080`, or `server.listen = "0.0.0.0:8080"`, stands for `api.listen`, and
  `server.public_url` for `api.public_url`.
- `[apns]` and `[fcm]` stand for `[push.apns]` and `[push.fcm]`, `topic` in `[apns]` for `bundle_id`.
- A file with `[auth]` and `[database]` and without `domain` is that of a mobile gateway alone: `exchange.enabled` is
  `false` then, unless the file says otherwise. Secrets of published examples (`your-jwt-secret-here`,
  `your-api-key-here`, `CHANGE-ME-IN-PRODUCTION`) are taken as not set.
"""
_NOT_ACTIVE = """Accepted, not active yet, and told so at the start:

| key | belongs to |
|---|---|
"""


def reference() -> str:
    """The whole page."""
    parts = [_INTRO, _table("Top level", "", "", Settings)]
    for name, field in Settings.model_fields.items():
        model = model_in(field.annotation)
        if model is not None:
            parts += _sections(name, model)
    parts.append(_table("A listener", "", "sip.listen.", Listener, "A table in `sip.listen`."))
    intro = (Certificate.__doc__ or "").strip()
    parts.append(_table("One of `[[sip.tls.certificates]]`", "", "sip.tls.certificates.", Certificate, intro))
    intro = (WatchList.__doc__ or "").strip()
    parts.append(_table("One of `[[events.lists]]`", "", "events.lists.", WatchList, intro))
    intro = (Peer.__doc__ or "").strip()
    parts.append(_table("One of `[[peers]]`", "", "peers.", Peer, intro))
    rows = "\n".join(f"| `{'.'.join(map(str, path))}` | {what} |" for path, what in NOT_ACTIVE.items())
    parts.append(f"{_ALIASES}\n{_NOT_ACTIVE}{rows}\n")
    return "\n".join(parts)


def _sections(name: str, model: type[BaseModel]) -> list[str]:
    parts = [_table(f"`[{name}]`", f"{name}.", f"{name}.", model, (model.__doc__ or "").strip())]
    for key, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            parts += _sections(f"{name}.{key}", field.annotation)
    return parts


def _table(title: str, prefix: str, at: str, model: type[BaseModel], intro: str = "") -> str:
    lines = [f"## {title}", ""]
    if intro:
        lines += [intro, ""]
    lines += ["| key | values | default | live | meaning |", "|---|---|---|---|---|"]
    for key, field in model.model_fields.items():
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            cells = (f"`{prefix}{key}`", _values(field), _default(field), _live(at + key), _meaning(field))
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _live(key: str) -> str:
    """A key of a listener is as live as the list that it stands in."""
    while key and key not in LIVE | RESTART:
        key = key.rpartition(".")[0]
    return "yes" if key in LIVE else "restart"


def _values(field: FieldInfo) -> str:
    annotation = _without_none(field.annotation)
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) is tuple:
        return "list"
    bounds = {type(item): item for item in _flat(field.metadata)}
    low, high = bounds.get(Ge), bounds.get(Le)
    kind = {int: "whole number", float: "number", bool: "`true`, `false`", str: "text", PortRange: "text"}
    text = kind.get(annotation, "text")
    if isinstance(low, Ge) and isinstance(high, Le):
        return f"{text}, {low.ge}..{high.le}"
    return text


def _flat(metadata: list[Any]) -> list[Any]:
    """Bounds stand in the metadata directly, or inside a Field of an Annotated alias."""
    return [inner for item in metadata for inner in (getattr(item, "metadata", None) or [item])]


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in {types.UnionType, Union}:
        annotation = next(part for part in get_args(annotation) if part is not types.NoneType)
    return get_args(annotation)[0] if hasattr(annotation, "__metadata__") else annotation


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default
    if value is None or value in ("", ()):
        return "see right"
    return f"`{json.dumps(str(value) if isinstance(value, PortRange) else value)}`"


def _meaning(field: FieldInfo) -> str:
    text = field.description or ""
    examples = ", ".join(f"`{example}`" for example in field.examples or ())
    return f"{text} Example: {examples}." if examples else text


if __name__ == "__main__":
    sys.stdout.write(reference())
