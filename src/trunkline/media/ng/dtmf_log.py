"""Key presses as an rtpengine reports them: JSON datagrams to its ``--dtmf-log-dest``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from trunkline.base.errors import RemoteProtocolError

MAX_OCTETS: Final = 8192
_KEYS: Final = "0123456789*#ABCD!"
_MAX_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class KeyPress:
    """Which party of which call pressed what, for how many milliseconds."""

    call: str
    party: str
    digit: str
    duration_ms: int


def key_press(datagram: bytes) -> KeyPress | None:
    """The key press of a datagram, None when it tells something else; raises RemoteProtocolError."""
    if len(datagram) > MAX_OCTETS:
        raise RemoteProtocolError("a report of a key press is too long")
    try:
        told = json.loads(datagram)
    except (ValueError, RecursionError):
        raise RemoteProtocolError("a report of a key press is no JSON") from None
    if not isinstance(told, dict):
        raise RemoteProtocolError("a report of a key press is no JSON object")
    if told.get("type") != "DTMF":
        return None
    call, party = told.get("callid"), told.get("source_tag")
    event = _whole(told.get("event"), len(_KEYS) - 1)
    if not isinstance(call, str) or not isinstance(party, str) or event is None:
        raise RemoteProtocolError("a report of a key press without call, party or event")
    return KeyPress(call, party, _KEYS[event], _whole(told.get("duration"), _MAX_MS) or 0)


def _whole(value: object, most: int) -> int | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
    return value if isinstance(value, int) and fits else None
