"""Opus in Ogg (RFC 3533, RFC 7845), written and read packet by packet, independently of the exchange."""

from __future__ import annotations

import struct
from collections.abc import Iterable

_HEAD = struct.Struct("<4sBBqIIIB")
_BEGINS, _ENDS = 2, 4


def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        crc = value << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
        table.append(crc)
    return table


_CRC = _crc_table()


def _page(packet: bytes, number: int, flags: int, granule: int) -> bytes:
    """A page of one packet (RFC 3533 §6)."""
    lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    fields = (b"OggS", 0, flags, granule, 7, number)
    page = _HEAD.pack(*fields, 0, len(lacing)) + lacing + packet
    crc = 0
    for octet in page:
        crc = (crc << 8 ^ _CRC[crc >> 24 ^ octet]) & 0xFFFFFFFF
    return _HEAD.pack(*fields, crc, len(lacing)) + lacing + packet


def opus_file(packets: Iterable[bytes], samples: int, channels: int = 1) -> bytes:
    """A file of packets of ``samples`` samples of 48000 Hz each; nothing is skipped at its beginning."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, channels, 0, 48_000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I5sI", 5, b"tests", 0)
    pages = [_page(head, 0, _BEGINS, 0), _page(tags, 1, 0, 0)]
    listed = list(packets)
    for at, packet in enumerate(listed):
        flags = _ENDS if at == len(listed) - 1 else 0
        pages.append(_page(packet, at + 2, flags, (at + 1) * samples))
    return b"".join(pages)


def opus_packets(file: bytes) -> list[bytes]:
    """The packets of sound in a file (RFC 7845 §3): those behind the two headers."""
    packets, packet, at = [], b"", 0
    while at < len(file):
        count = _HEAD.unpack_from(file, at)[-1]
        lacing = file[at + _HEAD.size : at + _HEAD.size + count]
        at += _HEAD.size + count
        for length in lacing:
            packet += file[at : at + length]
            at += length
            if length < 255:
                packets.append(packet)
                packet = b""
    return packets[2:]
