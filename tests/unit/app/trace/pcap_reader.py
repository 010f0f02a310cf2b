"""A small reader of capture files, written from the formats and not from the writer."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass


@dataclass
class Packet:
    """One packet; ``sequence`` and ``acknowledged`` are None for UDP."""

    at: float
    source: str
    target: str
    protocol: str
    sequence: int | None
    acknowledged: int | None
    data: bytes


def read_pcap(raw: bytes) -> list[Packet]:
    """The packets of a file of raw IP packets; every checksum is verified."""
    magic, major, minor, _, _, longest, link = struct.unpack_from("<IHHiIII", raw)
    assert (magic, major, minor, link) == (0xA1B2C3D4, 2, 4, 101)
    packets, at = [], 24
    while at < len(raw):
        seconds, micros, kept, length = struct.unpack_from("<IIII", raw, at)
        assert kept == length <= longest
        packets.append(_packet(seconds + micros / 1e6, raw[at + 16 : at + 16 + kept]))
        at += 16 + kept
    assert at == len(raw)
    return packets


def _packet(at: float, raw: bytes) -> Packet:
    if raw[0] >> 4 == 4:
        assert (raw[0] & 15) == 5
        assert struct.unpack_from("!H", raw, 2)[0] == len(raw)
        assert folded(raw[:20]) == 0xFFFF
        protocol, addresses, payload = raw[9], (raw[12:16], raw[16:20]), raw[20:]
        pseudo = raw[12:20] + bytes([0, protocol]) + struct.pack("!H", len(payload))
    else:
        assert raw[0] >> 4 == 6
        assert struct.unpack_from("!H", raw, 4)[0] == len(raw) - 40
        protocol, addresses, payload = raw[6], (raw[8:24], raw[24:40]), raw[40:]
        pseudo = raw[8:40] + struct.pack("!II", len(payload), protocol)
    assert folded(pseudo + payload) == 0xFFFF
    ports = struct.unpack_from("!HH", payload)
    hosts = [str(ipaddress.ip_address(address)) for address in addresses]
    source, target = (f"{host} {port}" for host, port in zip(hosts, ports, strict=True))
    if protocol == 17:
        assert struct.unpack_from("!H", payload, 4)[0] == len(payload)
        return Packet(at, source, target, "UDP", None, None, payload[8:])
    assert protocol == 6
    sequence, acknowledged = struct.unpack_from("!II", payload, 4)
    head = (payload[12] >> 4) * 4
    return Packet(at, source, target, "TCP", sequence, acknowledged, payload[head:])


def folded(data: bytes) -> int:
    """The ones' complement sum, which is all ones over data with its right checksum (RFC 1071 §1)."""
    if len(data) % 2:
        data += b"\0"
    total = 0
    for at in range(0, len(data), 2):
        total += data[at] << 8 | data[at + 1]
        total = (total & 0xFFFF) + (total >> 16)
    return total
