"""Traces as a capture file that packet tools read: the classic libpcap format, raw IP packets.

Each message gets the headers that it had, or would have had: UDP where it came by UDP, else TCP segments with
running sequence numbers. What came by TLS or WebSocket is written as it was inside: plain SIP over TCP, with
5060 for our port, because that is where tools look for it.

File: magic, version 2.4, zone, accuracy, longest packet, link type, then for each packet seconds, microseconds,
length kept and length. LINKTYPE_RAW (101): each packet begins with its IPv4 or IPv6 header.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import BinaryIO, Final, TypeAlias

from trunkline.base.messages import TracedMessage

Address: TypeAlias = IPv4Address | IPv6Address
End: TypeAlias = tuple[Address, int]

MAGIC: Final = 0xA1B2C3D4
LINKTYPE_RAW: Final = 101
SIP_PORT: Final = 5060
UDP: Final = 17
TCP: Final = 6
MOST_BYTES: Final = 65_000  # of one segment or datagram: an IPv4 packet has 65535 with its headers
_PUSH_ACK: Final = 0x18
_WINDOW: Final = 65_535
_CONNECTIONS: Final = 65_536
_UNKNOWN: Final = IPv4Address("0.0.0.0")  # noqa: S104  (nothing is bound to it)


class PcapWriter:
    """Writes to ``file``, its heading first; close the file yourself."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sent: OrderedDict[tuple[End, End], int] = OrderedDict()
        self._identification = 0
        file.write(struct.pack("<IHHiIII", MAGIC, 2, 4, 0, 0, 262_144, LINKTYPE_RAW))

    def write(self, message: TracedMessage) -> None:
        """Append one message; a long one over TCP becomes several segments."""
        data = message.data.encode("latin-1")
        ours, theirs = end_of(message.local), end_of(message.remote)
        if message.transport not in {"UDP", "TCP"}:
            ours = ours[0], SIP_PORT
        ours, theirs = _of_one_family(ours, theirs)
        source, target = (theirs, ours) if message.incoming else (ours, theirs)
        if message.transport == "UDP":
            self._packet(message.at, source, target, UDP, udp_datagram(source, target, data[:MOST_BYTES]))
            return
        for start in range(0, len(data), MOST_BYTES):
            self._segment(message.at, source, target, data[start : start + MOST_BYTES])

    def _segment(self, at: float, source: End, target: End, data: bytes) -> None:
        sent = self._sent.get((source, target), 1)
        heard = self._sent.get((target, source), 1)
        self._packet(at, source, target, TCP, tcp_segment(source, target, sent, heard, data))
        self._sent[source, target] = (sent + len(data)) & 0xFFFFFFFF
        self._sent.move_to_end((source, target))
        if len(self._sent) > _CONNECTIONS:
            self._sent.popitem(last=False)

    def _packet(self, at: float, source: End, target: End, protocol: int, payload: bytes) -> None:
        self._identification = (self._identification + 1) & 0xFFFF
        packet = ip_packet(source[0], target[0], protocol, payload, self._identification)
        micros = round(at * 1_000_000)
        seconds, rest = divmod(micros, 1_000_000)
        self._file.write(struct.pack("<IIII", seconds & 0xFFFFFFFF, rest, len(packet), len(packet)) + packet)


def end_of(text: str) -> End:
    """``192.0.2.1:5060`` or ``[2001:db8::1]:5060``; a scope is left out, what is no address becomes 0.0.0.0."""
    host, _, port = text.rpartition(":")
    try:
        address: Address = ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        address = _UNKNOWN
    return address, int(port) & 0xFFFF if port.isascii() and port.isdigit() else 0


def _of_one_family(ours: End, theirs: End) -> tuple[End, End]:
    """A packet has one family: IPv4 is written as mapped (RFC 4291 §2.5.5.2) beside IPv6."""
    if ours[0].version == theirs[0].version:
        return ours, theirs
    return (_six(ours[0]), ours[1]), (_six(theirs[0]), theirs[1])


def _six(address: Address) -> IPv6Address:
    return address if isinstance(address, IPv6Address) else IPv6Address(f"::ffff:{address}")


def udp_datagram(source: End, target: End, data: bytes) -> bytes:
    """RFC 768, with its checksum; 0 would mean none, so its complement stands for it."""
    length = 8 + len(data)
    head = struct.pack("!HHH", source[1], target[1], length)
    total = checksum(_pseudo_header(source[0], target[0], UDP, length) + head + b"\0\0" + data)
    return head + struct.pack("!H", total or 0xFFFF) + data


def tcp_segment(source: End, target: End, sent: int, heard: int, data: bytes) -> bytes:
    """RFC 9293 §3.1: PSH and ACK, no options."""
    head = struct.pack("!HHIIBB", source[1], target[1], sent, heard, 5 << 4, _PUSH_ACK)
    head += struct.pack("!H", _WINDOW)
    pseudo = _pseudo_header(source[0], target[0], TCP, 20 + len(data))
    total = checksum(pseudo + head + b"\0\0\0\0" + data)
    return head + struct.pack("!HH", total, 0) + data


def ip_packet(source: Address, target: Address, protocol: int, payload: bytes, identification: int) -> bytes:
    """RFC 791 §3.1 or RFC 8200 §3, after the family of both addresses."""
    if source.version == 6:
        fixed = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64)
        return fixed + source.packed + target.packed + payload
    fixed = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(payload), identification, 0x4000, 64, protocol)
    addresses = source.packed + target.packed
    return fixed + struct.pack("!H", checksum(fixed + b"\0\0" + addresses)) + addresses + payload


def _pseudo_header(source: Address, target: Address, protocol: int, length: int) -> bytes:
    """RFC 768 and RFC 8200 §8.1."""
    form = "!IHBB" if source.version == 6 else "!BBH"
    last = (length, 0, 0, protocol) if source.version == 6 else (0, protocol, length)
    return source.packed + target.packed + struct.pack(form, *last)


def checksum(data: bytes) -> int:
    """The internet checksum (RFC 1071)."""
    padded = data + b"\0" if len(data) % 2 else data
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
