"""Cover what a trace must not tell: digest responses, tokens, media keys, and texts unless they are asked for.

Each covered byte becomes an ``x``, so that lengths, and with them Content-Length, stay as they were.
"""

from __future__ import annotations

import re
from typing import Final

# A header's value goes on where the next line begins with white space (RFC 3261 §7.3.1).
_VALUE: Final = rb"((?:[^\r\n]|\r\n[ \t])*)"
_CREDENTIALS: Final = re.compile(rb"(?im)^((?:Proxy-)?Authorization[ \t]*:[ \t]*)" + _VALUE)
_INFO: Final = re.compile(rb"(?im)^((?:Proxy-)?Authentication-Info[ \t]*:[ \t]*)" + _VALUE)
_RESPONSE: Final = re.compile(rb"(?i)(\b(?:response|rspauth)[ \t]*=[ \t]*\"?)([^\",\r\n]*)")
_DIGEST: Final = re.compile(rb"(?i)Digest\b")
# RFC 8599 §4: whoever has it may wake the phone.
_PUSH: Final = re.compile(rb"(?i)(;pn-(?:prid|tok)=)([^;>\s,?]*)")
# SDES keys (RFC 4568 §6.1), ICE passwords (RFC 8839 §5.4), the obsolete k= line.
_KEYS: Final = re.compile(rb"(?im)(^a=ice-pwd:|^k=[a-z]+:)([^\r\n]*)")
_CRYPTO: Final = re.compile(rb"(?im)^a=crypto:[^\r\n]*")
# RFC 4568 §6.1: there may be several keys in a row.
_INLINE: Final = re.compile(rb"(?i)(inline:[ \t]*)([^\r\n|;]*)")
_TYPE: Final = re.compile(rb"(?im)^(?:Content-Type|c)[ \t]*:[ \t]*([^;\r\n]*)")
# What people write, and what they press: a PIN goes as INFO.
_PRIVATE_METHODS: Final = (b"MESSAGE ", b"INFO ")
_TECHNICAL: Final = (b"application/sdp", b"application/media_control+xml")


def covered(data: bytes, *, bodies: bool = False) -> bytes:
    """The message with its secrets covered; ``bodies`` leaves texts and key presses readable."""
    end = data.find(b"\r\n\r\n")
    head, body = (data, b"") if end < 0 else (data[: end + 4], data[end + 4 :])
    if b"uth" in head or b"UTH" in head:
        head = _INFO.sub(_cover_responses, _CREDENTIALS.sub(_cover_credentials, head))
    if b"pn-" in head or b"PN-" in head:
        head = _PUSH.sub(_cover_second, head)
    if body:
        body = _x(body) if not bodies and _is_private(head) else _without_keys(body)
    return head + body


def _cover_credentials(match: re.Match[bytes]) -> bytes:
    if _DIGEST.match(match[2]):
        return _cover_responses(match)
    scheme, space, rest = match[2].partition(b" ")  # a Bearer token is all secret
    return match[1] + (scheme + space + _x(rest) if space else _x(scheme))


def _cover_responses(match: re.Match[bytes]) -> bytes:
    return match[1] + _RESPONSE.sub(_cover_second, match[2])


def _without_keys(body: bytes) -> bytes:
    return _KEYS.sub(_cover_second, _CRYPTO.sub(lambda row: _INLINE.sub(_cover_second, row[0]), body))


def _cover_second(match: re.Match[bytes]) -> bytes:
    return match[1] + _x(match[2])


def _x(text: bytes) -> bytes:
    return b"x" * len(text)


def _is_private(head: bytes) -> bool:
    if not head.startswith(_PRIVATE_METHODS):
        return False
    kind = _TYPE.search(head)
    return kind is None or kind[1].strip().lower() not in _TECHNICAL
