"""For which numbers a certificate speaks: the TNAuthList extension (RFC 8226 §9)."""

from __future__ import annotations

from typing import Final, NamedTuple

from trunkline.base.errors import RemoteProtocolError

OID: Final = "1.3.6.1.5.5.7.1.26"
MAX_ENTRIES: Final = 1000
MAX_BYTES: Final = 65536

_SEQUENCE: Final = 0x30
_IA5_STRING: Final = 0x16
_INTEGER: Final = 0x02
_CODE, _RANGE, _ONE = 0xA0, 0xA1, 0xA2


class Range(NamedTuple):
    """``size`` numbers of the same length from ``start`` on."""

    start: str
    size: int

    def holds(self, number: str) -> bool:
        """Whether the number is one of them."""
        return len(number) == len(self.start) and 0 <= int(number) - int(self.start) < self.size


class TnAuthList(NamedTuple):
    """``codes`` of service providers, ``ranges`` of numbers and single ``numbers``, all in canonical digits."""

    codes: tuple[str, ...]
    ranges: tuple[Range, ...]
    numbers: frozenset[str]

    def covers(self, number: str) -> bool:
        """Whether the certificate may sign for a number.

        Which numbers a provider's code has stands in no certificate: one with a code speaks for any (ATIS-1000080).
        """
        return bool(self.codes) or number in self.numbers or any(one.holds(number) for one in self.ranges)


def parse_tn_auth_list(data: bytes) -> TnAuthList:
    """The extension's value. Raises RemoteProtocolError 437 for DER that is none, or more than is read."""
    if len(data) > MAX_BYTES:
        raise _malformed()
    content, end = _content(data, 0, _SEQUENCE)
    if end != len(data):
        raise _malformed()
    codes: list[str] = []
    ranges: list[Range] = []
    numbers: set[str] = set()
    at = seen = 0
    while at < len(content):
        seen += 1
        if seen > MAX_ENTRIES:
            raise _malformed()
        kind = content[at]
        entry, at = _content(content, at, kind)
        if kind == _CODE:
            codes.append(_string(entry, 0)[0])
        elif kind == _RANGE:
            ranges.append(_range(entry))
        elif kind == _ONE:
            numbers.add(_number(entry, 0)[0])
        else:
            raise _malformed()
    return TnAuthList(tuple(codes), tuple(ranges), frozenset(numbers))


def _range(entry: bytes) -> Range:
    inner, _ = _content(entry, 0, _SEQUENCE)
    start, at = _number(inner, 0)
    digits, _ = _content(inner, at, _INTEGER)
    if not 1 <= len(digits) <= 8:
        raise _malformed()
    return Range(start, int.from_bytes(digits, "big"))


def _number(data: bytes, at: int) -> tuple[str, int]:
    text, end = _string(data, at)
    if not 1 <= len(text) <= 15 or not text.isdecimal():
        raise _malformed()
    return text, end


def _string(data: bytes, at: int) -> tuple[str, int]:
    content, end = _content(data, at, _IA5_STRING)
    if not content.isascii():
        raise _malformed()
    return content.decode("ascii"), end


def _content(data: bytes, at: int, tag: int) -> tuple[bytes, int]:
    """The content of the element with this tag at an offset, and the offset behind it (X.690 §8.1, definite)."""
    if at + 2 > len(data) or data[at] != tag:
        raise _malformed()
    length, start = data[at + 1], at + 2
    if length & 0x80:
        width = length & 0x7F
        if not 1 <= width <= 3 or start + width > len(data):
            raise _malformed()
        length = int.from_bytes(data[start : start + width], "big")
        start += width
    end = start + length
    if end > len(data):
        raise _malformed()
    return data[start:end], end


def _malformed() -> RemoteProtocolError:
    return RemoteProtocolError("a certificate with a malformed TNAuthList", 437)
