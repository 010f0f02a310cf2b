"""Preconditions in descriptions (RFC 3312, RFC 4032): resources that a party wants reserved before it rings.

We reserve none. What is optional, or met already, is mirrored in the answer; what is mandatory and not met is refused
with 580. Bodies are bytes as they came; nothing here raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

MARK: Final = b"a=des:"
"""Stands in each description with preconditions."""

_ROWS = re.compile(rb"^a=(?:curr|des|conf):[^\r\n]*\r?\n?", re.MULTILINE)
_CURRENT = re.compile(rb"^a=curr:(\S+) (\S+) (\S+)", re.MULTILINE)
_DESIRED = re.compile(rb"^a=des:(\S+) (\S+) (\S+) (\S+)", re.MULTILINE)
_SECTION = re.compile(rb"^m=", re.MULTILINE)
_SWAPPED: Final = {b"local": b"remote", b"remote": b"local", b"send": b"recv", b"recv": b"send"}


def without_preconditions(body: bytes) -> bytes:
    """The description as a party shall see it that is not asked to reserve anything."""
    return _ROWS.sub(b"", body)


def are_met(body: bytes) -> bool:
    """Whether each mandatory precondition of an offer is met already (RFC 3312 §5.1.2)."""
    return all(_is_met(section) for section in _sections(body))


def _is_met(section: bytes) -> bool:
    current = {(kind, status): direction for kind, status, direction in _CURRENT.findall(section)}
    return all(
        current.get((kind, status), b"none") in {direction, b"sendrecv"}
        for kind, strength, status, direction in _DESIRED.findall(section)
        if strength == b"mandatory" and direction != b"none"
    )


def refusal_of_preconditions(offer: bytes) -> bytes:
    """The body of a 580: which of the preconditions of each m-line could not be met (RFC 3312 §8)."""
    rows = [b"v=0", b"o=- 0 0 IN IP4 0.0.0.0", b"s=-", b"c=IN IP4 0.0.0.0", b"t=0 0"]
    for section in _sections(offer):
        kind, _, rest = section.partition(b"\n")[0].strip().partition(b" ")
        rows.append(b"%s 0 %s" % (kind, rest.partition(b" ")[2]))
        rows += [
            b"a=des:%s failure %s %s" % (what, _turned(status), _turned(direction))
            for what, strength, status, direction in _DESIRED.findall(section)
            if strength == b"mandatory"
        ]
    return b"\r\n".join(rows) + b"\r\n"


def mirrored(offer: bytes, answer: bytes) -> bytes:
    """Our answer with the preconditions of the offer, seen from our side (RFC 3312 §5.1.2)."""
    parts = [answer[: _start(answer)]]
    for asked, given in zip(_sections(offer), _sections(answer), strict=False):
        rows = [
            b"a=curr:%s %s %s\r\n" % (kind, _turned(status), _turned(direction))
            for kind, status, direction in _CURRENT.findall(asked)
        ]
        rows += [
            b"a=des:%s %s %s %s\r\n" % (kind, strength, _turned(status), _turned(direction))
            for kind, strength, status, direction in _DESIRED.findall(asked)
        ]
        parts += [given, *rows]
    return b"".join(parts)


def _turned(word: bytes) -> bytes:
    return _SWAPPED.get(word, word)


def _start(body: bytes) -> int:
    found = _SECTION.search(body)
    return found.start() if found is not None else len(body)


def _sections(body: bytes) -> Iterator[bytes]:
    starts = [found.start() for found in _SECTION.finditer(body)]
    for start, end in zip(starts, [*starts[1:], len(body)], strict=True):
        yield body[start:end]
