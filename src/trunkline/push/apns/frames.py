"""Takes GOAWAY frames out of what an HTTP/2 peer sends (RFC 9113 §4.1, §6.8)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from trunkline.base.errors import RemoteProtocolError

GOAWAY: Final = 0x7
HEADER: Final = 9
MAX_FRAME: Final = 16_384  # we never tell a peer that it may send larger ones (RFC 9113 §4.2)


@dataclass(frozen=True, slots=True)
class GoAway:
    """``last_stream`` is the last that the peer has touched or will; ``reason`` a word of Apple's, "" without one."""

    last_stream: int
    code: int
    reason: str = ""


class GoAwayFilter:
    """Bytes in; in their order, runs of whole other frames and each GOAWAY out."""

    def __init__(self) -> None:
        self._kept = b""

    def feed(self, data: bytes) -> Iterator[bytes | GoAway]:
        """Raises RemoteProtocolError for a frame that is larger than it may be."""
        data = self._kept + data if self._kept else data
        begin = at = 0
        while len(data) - at >= HEADER:
            length = int.from_bytes(data[at : at + 3], "big")
            if length > MAX_FRAME:
                raise RemoteProtocolError("HTTP/2: a frame of more than 16384 bytes")
            end = at + HEADER + length
            if end > len(data):
                break
            if data[at + 3] == GOAWAY:
                if at > begin:
                    yield data[begin:at]
                yield _goaway(data[at + HEADER : end])
                begin = end
            at = end
        self._kept = data[at:]
        if at > begin:
            yield data[begin:at]


def _goaway(payload: bytes) -> GoAway:
    if len(payload) < 8:
        raise RemoteProtocolError("HTTP/2: a GOAWAY of less than 8 bytes")
    last = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
    return GoAway(last, int.from_bytes(payload[4:8], "big"), _reason(payload[8:]))


def _reason(debug: bytes) -> str:
    """Apple writes why it leaves as it does in an answer: ``{"reason": "Shutdown"}``."""
    try:
        found = json.loads(debug[:1000])
    except (ValueError, RecursionError):
        return ""
    word = found.get("reason") if isinstance(found, dict) else None
    return word if isinstance(word, str) and word.isascii() and word.isalnum() and len(word) < 60 else ""
