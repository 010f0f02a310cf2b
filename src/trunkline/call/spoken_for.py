"""A description that we say in an app's place: its own, with another direction and a higher version (RFC 3264 §8).

Everything else stays byte for byte as the app said it.
"""

from __future__ import annotations

import re
from typing import Final

_ORIGIN: Final = re.compile(rb"^(o=\S+ \S+ )(\d+)( )", re.MULTILINE)
_DIRECTION: Final = re.compile(rb"^a=(sendrecv|sendonly|recvonly|inactive)(?=\r?$)", re.MULTILINE)
_HELD: Final = {b"sendrecv": b"sendonly", b"recvonly": b"inactive"}
_RESUMED: Final = {b"sendonly": b"sendrecv", b"inactive": b"sendrecv"}


def version_of(body: bytes) -> int:
    """The version in the o= line; 0 where it cannot be read."""
    found = _ORIGIN.search(body)
    return int(found[2]) if found is not None else 0


def with_version(body: bytes, version: int) -> bytes:
    """The same under another version."""
    return _ORIGIN.sub(rb"\g<1>%d\g<3>" % version, body, count=1)


def directed(body: bytes, *, held: bool) -> bytes:
    """The same with all streams held (RFC 3264 §8.4), or taken back: those that the party sends are sent again."""
    ends = b"\r\n" if b"\r\n" in body else b"\n"
    session, *media = re.split(rb"^(?=m=)", body, flags=re.MULTILINE)
    found = _DIRECTION.search(session)
    whole = found[1] if found is not None else b"sendrecv"
    return session + b"".join([_directed(part, whole, ends, held=held) for part in media])


def _directed(part: bytes, whole: bytes, ends: bytes, *, held: bool) -> bytes:
    found = _DIRECTION.search(part)
    before = found[1] if found is not None else whole
    after = (_HELD if held else _RESUMED).get(before, before)
    if found is not None:
        return part[: found.start(1)] + after + part[found.end(1) :]
    if after == whole:
        return part
    return part + (b"" if part.endswith(b"\n") else ends) + b"a=" + after + ends


def is_held(body: bytes) -> bool:
    """Whether no stream of the description takes anything in: it holds the other party."""
    session, *media = re.split(rb"^(?=m=)", body, flags=re.MULTILINE)
    found = _DIRECTION.search(session)
    whole = found[1] if found is not None else b"sendrecv"
    directions = [
        here[1] if (here := _DIRECTION.search(part)) is not None else whole
        for part in media
        if not re.match(rb"m=\S+ 0 ", part)
    ]
    return bool(directions) and all(one in {b"sendonly", b"inactive"} for one in directions)


def is_keyed(body: bytes, *, paths: bool = False) -> bool:
    """Whether the description says keys (RFC 4568): it must not be written to a disk.

    With ``paths`` the passwords of ICE are among them: of those that end here none is needed again.
    """
    return b"a=crypto:" in body or b"\nk=" in body or (paths and b"a=ice-pwd:" in body)
