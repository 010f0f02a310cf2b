"""A trace as text, one JSON object per line: what ``--json`` prints, what is kept, what ``--read`` reads.

    {"time": 1790000000.25, "from": "192.0.2.7:5060", "to": "192.0.2.1:5060", "incoming": true,
     "transport": "UDP", "sip_call_id": "a84b4c76e66710", "message": "INVITE sip:..."}

A message that is no UTF-8 is written one character 0..255 a byte, with ``"encoding": "latin-1"``.
"""

from __future__ import annotations

import json
from typing import Any, Final

from trunkline.base.errors import RemoteProtocolError
from trunkline.base.messages import TracedMessage

MAX_LINE: Final = 1 << 20
_TEXTS: Final = ("from", "to", "transport", "sip_call_id", "message")


def line_of(message: TracedMessage) -> str:
    """One line, without its end."""
    ends = (message.remote, message.local) if message.incoming else (message.local, message.remote)
    body: dict[str, Any] = {
        "time": round(message.at, 6),
        "from": ends[0],
        "to": ends[1],
        "incoming": message.incoming,
        "transport": message.transport,
        "sip_call_id": message.call,
    }
    try:
        body["message"] = message.data.encode("latin-1").decode()
    except UnicodeDecodeError:
        body |= {"encoding": "latin-1", "message": message.data}
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def message_of(line: str | bytes) -> TracedMessage:
    """The message of a line; raises RemoteProtocolError for anything else."""
    if len(line) > MAX_LINE:
        raise RemoteProtocolError(f"a line of more than {MAX_LINE} bytes")
    try:
        body = json.loads(line)
    except (ValueError, RecursionError):
        raise RemoteProtocolError("not a line of JSON") from None
    if not isinstance(body, dict) or not all(isinstance(body.get(name), str) for name in _TEXTS):
        raise RemoteProtocolError(f"a line has {', '.join(_TEXTS)}, all texts")
    at, incoming = body.get("time"), body.get("incoming")
    if isinstance(at, bool) or not isinstance(at, int | float) or not isinstance(incoming, bool):
        raise RemoteProtocolError("time is a number and incoming true or false")
    source, target = body["from"], body["to"]
    local, remote = (target, source) if incoming else (source, target)
    return TracedMessage(
        float(at), incoming, body["transport"], local, remote, body["sip_call_id"], _bytes_of(body)
    )


def _bytes_of(body: dict[str, Any]) -> str:
    text: str = body["message"]
    try:
        if body.get("encoding") == "latin-1":
            text.encode("latin-1")
            return text
        return text.encode().decode("latin-1")
    except UnicodeEncodeError:
        raise RemoteProtocolError("message holds characters that no byte stands for") from None
