"""Bencode: integers, octet strings, lists and dictionaries, as rtpengine's protocol NG writes them.

https://rtpengine.readthedocs.io/en/latest/ng_control_protocol.html (the coding itself: BEP 3).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from trunkline.base.errors import RemoteProtocolError

Encodable: TypeAlias = "int | str | bytes | Sequence[Encodable] | Mapping[str, Encodable]"
Decoded: TypeAlias = "int | bytes | list[Decoded] | dict[str, Decoded]"

MAX_OCTETS: Final = 1 << 20
"""Of one message: the answer about a call with many parties has some ten thousand."""
MAX_DEPTH: Final = 16
MAX_VALUES: Final = 50_000
_INTEGER: Final = re.compile(rb"i(0|-?[1-9][0-9]{0,18})e")
_LENGTH: Final = re.compile(rb"(0|[1-9][0-9]{0,6}):")


def encode(value: Encodable) -> bytes:
    """The octets of a value; keys of dictionaries in their order, text as UTF-8."""
    parts: list[bytes] = []
    _encode(value, parts)
    return b"".join(parts)


def _encode(value: Encodable, parts: list[bytes]) -> None:
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    if isinstance(value, bytes):
        parts.append(b"%d:%s" % (len(value), value))
    elif isinstance(value, int):
        parts.append(b"i%de" % value)
    elif isinstance(value, Mapping):
        parts.append(b"d")
        for key in sorted(value):
            _encode(key, parts)
            _encode(value[key], parts)
        parts.append(b"e")
    else:
        parts.append(b"l")
        for item in value:
            _encode(item, parts)
        parts.append(b"e")


def decode(data: bytes) -> Decoded:
    """The one value that the octets are; raises RemoteProtocolError, also when something comes after it.

    Keys of dictionaries may be in any order, as rtpengine writes them, but none may come twice.
    """
    if len(data) > MAX_OCTETS:
        raise RemoteProtocolError(f"bencode of {len(data)} octets is too long")
    reader = _Reader(data)
    value = reader.value(0)
    if reader.at != len(data):
        raise RemoteProtocolError(f"bencode goes on at octet {reader.at}, after its value")
    return value


class _Reader:
    __slots__ = ("at", "data", "left")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.left = MAX_VALUES

    def value(self, depth: int) -> Decoded:
        self.left -= 1
        if self.left < 0 or depth > MAX_DEPTH:
            raise RemoteProtocolError(f"bencode with too many or too deep values at octet {self.at}")
        kind = self.data[self.at : self.at + 1]
        if kind == b"i":
            return self._integer()
        if kind == b"l":
            return self._list(depth)
        if kind == b"d":
            return self._dictionary(depth)
        return self._octets()

    def _integer(self) -> int:
        match = _INTEGER.match(self.data, self.at)
        if match is None:
            raise RemoteProtocolError(f"bencode: no integer at octet {self.at}")
        self.at = match.end()
        return int(match[1])

    def _octets(self) -> bytes:
        match = _LENGTH.match(self.data, self.at)
        if match is None:
            raise RemoteProtocolError(f"bencode: no value at octet {self.at}")
        begin, end = match.end(), match.end() + int(match[1])
        if end > len(self.data):
            raise RemoteProtocolError(f"bencode: a string at octet {self.at} is longer than the message")
        self.at = end
        return self.data[begin:end]

    def _ends(self) -> bool:
        if self.data[self.at : self.at + 1] != b"e":
            return False
        self.at += 1
        return True

    def _list(self, depth: int) -> list[Decoded]:
        self.at += 1
        items: list[Decoded] = []
        while not self._ends():
            items.append(self.value(depth + 1))
        return items

    def _dictionary(self, depth: int) -> dict[str, Decoded]:
        self.at += 1
        items: dict[str, Decoded] = {}
        while not self._ends():
            key = self._octets().decode("utf-8", "replace")
            if key in items:
                raise RemoteProtocolError(f"bencode: a key comes twice before octet {self.at}")
            items[key] = self.value(depth + 1)
        return items
