"""Frames of HTTP/2: bytes in, whole frames out, and the other way (RFC 9113 §4.1, §6)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Final, TypeAlias

HEADER: Final = 9
MAX_FRAME: Final = 16_384  # we never tell a peer that it may send larger ones (RFC 9113 §4.2)

DATA: Final = 0x0
HEADERS: Final = 0x1
PRIORITY: Final = 0x2
RST_STREAM: Final = 0x3
SETTINGS: Final = 0x4
PUSH_PROMISE: Final = 0x5
PING: Final = 0x6
GOAWAY: Final = 0x7
WINDOW_UPDATE: Final = 0x8
CONTINUATION: Final = 0x9

ACK: Final = 0x1
END_STREAM: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
WITH_PRIORITY: Final = 0x20

# RFC 9113 §7, by number.
CODES: Final = (
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
)
NO_ERROR: Final = 0
PROTOCOL_ERROR: Final = 1
FLOW_CONTROL_ERROR: Final = 3
FRAME_SIZE_ERROR: Final = 6
REFUSED_STREAM: Final = 7
CANCEL: Final = 8
COMPRESSION_ERROR: Final = 9
ENHANCE_YOUR_CALM: Final = 11

Frame: TypeAlias = tuple[int, int, int, bytes]
"""A type, flags, a stream, and what the frame holds."""

_head: Final = Struct(">BHBBI")
_number: Final = Struct(">I")
_STREAM: Final = 0x7FFF_FFFF


class BrokenError(Exception):
    """What the peer sent ends the connection; ``code`` tells it why (RFC 9113 §5.4.1)."""

    def __init__(self, why: str, code: int = PROTOCOL_ERROR) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True, slots=True)
class GoAway:
    """``last_stream`` is the last that the peer has touched or will; ``reason`` a word of Apple's, "" without one."""

    last_stream: int
    code: int
    reason: str = ""


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One on the wire; ``payload`` is at most 16384 bytes."""
    length = len(payload)
    return _head.pack(length >> 16, length & 0xFFFF, kind, flags, stream) + payload


def numbered(kind: int, stream: int, number: int) -> bytes:
    """A frame that holds one number: RST_STREAM, WINDOW_UPDATE."""
    return frame(kind, 0, stream, _number.pack(number))


class FrameReader:
    """Takes bytes as they come and finds the frames in them."""

    def __init__(self) -> None:
        self._kept = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are whole now. Raises BrokenError for one that is larger than it may be."""
        data = self._kept + data if self._kept else data
        at = 0
        while len(data) - at >= HEADER:
            high, low, kind, flags, stream = _head.unpack_from(data, at)
            length = (high << 16) + low
            if length > MAX_FRAME:
                raise BrokenError("a frame of more than 16384 bytes", FRAME_SIZE_ERROR)
            end = at + HEADER + length
            if end > len(data):
                break
            yield kind, flags, stream & _STREAM, data[at + HEADER : end]
            at = end
        self._kept = data[at:]


def content_of(flags: int, payload: bytes, *, priority: bool = False) -> bytes:
    """What a HEADERS or DATA frame holds, without padding and priority. Raises BrokenError."""
    padding = 0
    if flags & PADDED:
        if not payload:
            raise BrokenError("a frame that is too short for its padding", FRAME_SIZE_ERROR)
        padding, payload = payload[0], payload[1:]
    if priority:
        if len(payload) < 5:
            raise BrokenError("a frame that is too short for its priority", FRAME_SIZE_ERROR)
        payload = payload[5:]
    if padding > len(payload):
        raise BrokenError("more padding than frame")
    return payload[: len(payload) - padding] if padding else payload


def number_of(payload: bytes) -> int:
    """What an RST_STREAM or WINDOW_UPDATE frame holds. Raises BrokenError."""
    if len(payload) != _number.size:
        raise BrokenError("a frame of another size than four bytes", FRAME_SIZE_ERROR)
    return int(_number.unpack(payload)[0])


def code_name(code: int) -> str:
    """The word of RFC 9113 §7 for an error."""
    return CODES[code] if code < len(CODES) else f"error {code}"


def goaway_of(payload: bytes) -> GoAway:
    """What a GOAWAY frame says (RFC 9113 §6.8). Raises BrokenError."""
    if len(payload) < 8:
        raise BrokenError("a GOAWAY of less than 8 bytes", FRAME_SIZE_ERROR)
    last = int.from_bytes(payload[:4], "big") & _STREAM
    return GoAway(last, int.from_bytes(payload[4:8], "big"), _reason(payload[8:]))


def _reason(debug: bytes) -> str:
    """Apple writes why it leaves as it does in an answer: ``{"reason": "Shutdown"}``."""
    try:
        found = json.loads(debug[:1000])
    except (ValueError, RecursionError):
        return ""
    word = found.get("reason") if isinstance(found, dict) else None
    return word if isinstance(word, str) and word.isascii() and word.isalnum() and len(word) < 60 else ""
