"""Percent-escapes of URIs (RFC 3261 §19.1.2, RFC 3986 §2.1)."""

from __future__ import annotations

import re
from typing import Final

# RFC 3261 §25.1: the characters whose escaped form means something else than the plain one.
_RESERVED: Final = frozenset(b";/?:@&=+$,")
# RFC 3261 §25.1: unreserved and user-unreserved; all others are escaped in a user part that we write.
_USER_SAFE: Final = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()&=+$,;?/"
)

_escapes = re.compile(r"(?:%[0-9A-Fa-f]{2})++")
_one_escape = re.compile(r"%([0-9A-Fa-f]{2})")
_bad_escape = re.compile(r"%(?![0-9A-Fa-f]{2})").search
_all_safe = re.compile(r"[A-Za-z0-9_.!~*'()&=+$,;?/-]*+\Z").match


def has_bad_escape(text: str) -> bool:
    """Whether a ``%`` stands in ``text`` without two hexadecimal digits behind it."""
    return "%" in text and _bad_escape(text) is not None


def unescape(text: str) -> str:
    """``text`` with each escape undone, once; bytes that are no UTF-8 become surrogate escapes."""
    if "%" not in text:
        return text
    return _escapes.sub(_decode_run, text)


def escape_user(text: str) -> str:
    """``text`` fit for the user part of a URI: UTF-8, everything escaped that may not stand there."""
    if _all_safe(text):
        return text
    data = text.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in _USER_SAFE else f"%{byte:02X}" for byte in data)


def normalise(text: str) -> str:
    """``text`` in the one form in which equivalent escapings are equal (RFC 3261 §19.1.4, second rule).

    Escapes of unreserved ASCII characters are undone, the others written with capital digits.
    """
    if "%" in text:
        text = _one_escape.sub(_normalise_one, text)
    return text


def _decode_run(match: re.Match[str]) -> str:
    return bytes.fromhex(match[0].replace("%", "")).decode("utf-8", "surrogateescape")


def _normalise_one(match: re.Match[str]) -> str:
    byte = int(match[1], 16)
    if byte in _RESERVED or byte <= 0x20 or byte >= 0x7F or byte == 0x25:
        return match[0].upper()
    return chr(byte)
