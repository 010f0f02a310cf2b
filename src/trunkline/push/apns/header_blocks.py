"""The header blocks of requests (RFC 7541), of which most is the same from one request to the next.

What requests have in common goes into the peer's table, where an index of a byte names it; those bytes are made once
and used until the table changes. What is of one request alone is written out, and marked never to be kept (§6.2.3).
"""

from __future__ import annotations

from typing import Final, TypeAlias

from hpack import Encoder
from hpack.struct import HeaderTuple

Fields: TypeAlias = tuple[tuple[bytes, bytes], ...]

MAX_TABLE: Final = 4096
_MOST: Final = 64
_PATH: Final = 0x14  # never kept, its name the fourth of the static table
_NAMED: Final = b"\x10"  # never kept, with a name


class HeaderBlocks:
    """Of one connection. ``authority`` is that of all requests."""

    def __init__(self, authority: bytes) -> None:
        self._encoder = Encoder()
        self._target: Fields = ((b":method", b"POST"), (b":scheme", b"https"), (b":authority", authority))
        self._known: dict[Fields, bytes] = {}

    @property
    def kept(self) -> list[tuple[bytes, bytes]]:
        """What the peer's table holds for us."""
        return list(self._encoder.header_table.dynamic_entries)

    def resize(self, size: int) -> None:
        """The peer's table holds so many bytes at most (SETTINGS_HEADER_TABLE_SIZE)."""
        size = min(size, MAX_TABLE)
        if size != self._encoder.header_table_size:
            self._known.clear()  # the next block must begin with the new size (RFC 7541 §4.2)
            self._encoder.header_table_size = size

    def block(self, path: bytes, usual: Fields, own: Fields) -> bytes:
        """The block of a POST; ``usual`` are headers that the next requests have too."""
        parts = [self._shared(self._target), bytes((_PATH,)), _text(path), self._shared(usual)]
        for name, value in own:
            parts += (_NAMED, _text(name), _text(value))
        return b"".join(parts)

    def _shared(self, fields: Fields) -> bytes:
        known = self._known.get(fields)
        if known is not None:
            return known
        table, before = self._encoder.header_table, self.kept
        resized = table.resized
        # Without Huffman's code: it spares some 30 bytes of a request and costs more than the rest of its headers.
        block = self._encoder.encode([HeaderTuple(name, value) for name, value in fields], huffman=False)
        if self.kept != before or resized:
            self._known.clear()  # indices count from the newest entry: all are others now
        elif len(self._known) < _MOST:
            self._known[fields] = block
        return block


def _text(value: bytes) -> bytes:
    """A string literal (RFC 7541 §5.2), as it is."""
    length = len(value)
    if length < 0x7F:
        return bytes((length,)) + value
    head, length = bytearray(b"\x7f"), length - 0x7F
    while length >= 0x80:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    head.append(length)
    return bytes(head) + value
