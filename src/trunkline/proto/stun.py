"""STUN as far as keeping a NAT open needs it: a Binding request and its answer (RFC 5389, RFC 5626 §8).

A phone sends Binding requests to the port that it speaks SIP to. The answer keeps its NAT's binding, and tells it
when that changed, so that it registers anew.
"""

from __future__ import annotations

import struct
from ipaddress import ip_address
from typing import Final

MAGIC_COOKIE: Final = b"\x21\x12\xa4\x42"
HEADER_BYTES: Final = 20
MOST_BYTES: Final = 548  # RFC 5389 §7.1: what fits any path; a phone's request has a tenth of it

BINDING_REQUEST: Final = 0x0001
BINDING_SUCCESS: Final = 0x0101
BINDING_ERROR: Final = 0x0111

ERROR_CODE: Final = 0x0009
UNKNOWN_ATTRIBUTES: Final = 0x000A
XOR_MAPPED_ADDRESS: Final = 0x0020
# RFC 5389 §18.2: those that a server without credentials knows and need not heed (§10: it asks nobody for any).
_KNOWN: Final = frozenset({0x0001, 0x0006, 0x0008, 0x0009, 0x000A, 0x0014, 0x0015, 0x0020})
_OPTIONAL: Final = 0x8000
_UNKNOWN_ATTRIBUTE: Final = b"\x00\x00\x04\x14Unknown Attribute"  # 420 (§15.6)


def is_stun(data: bytes) -> bool:
    """Whether a datagram on a SIP port is STUN: no SIP message begins with such a byte (RFC 5626 §8)."""
    return len(data) >= HEADER_BYTES and data[0] < 4 and data[4:8] == MAGIC_COOKIE


def answer(data: bytes, host: str, port: int) -> bytes | None:
    """What a Binding request from an address gets; None for all else, which is left unanswered.

    ``host`` is an IP literal, which may have a scope. A request that needs to be understood where it is not gets a
    420 with the attributes (§7.3.1).
    """
    if not is_stun(data) or len(data) > MOST_BYTES:
        return None
    kind, length = struct.unpack_from("!HH", data)
    if kind != BINDING_REQUEST or length != len(data) - HEADER_BYTES or length % 4:
        return None
    unknown = _unknown_attributes(data)
    if unknown is None:
        return None
    transaction = data[8:HEADER_BYTES]
    if unknown:
        listed = struct.pack(f"!{len(unknown)}H", *unknown)
        body = _attribute(ERROR_CODE, _UNKNOWN_ATTRIBUTE) + _attribute(UNKNOWN_ATTRIBUTES, listed)
        return _message(BINDING_ERROR, transaction, body)
    return _message(
        BINDING_SUCCESS, transaction, _attribute(XOR_MAPPED_ADDRESS, _xored(host, port, transaction))
    )


def _unknown_attributes(data: bytes) -> list[int] | None:
    """The attributes that must be understood and are not; None when they do not fit the message."""
    found: list[int] = []
    at = HEADER_BYTES
    while at < len(data):
        kind, length = struct.unpack_from("!HH", data, at)
        at += 4 + (length + 3 & ~3)
        if kind < _OPTIONAL and kind not in _KNOWN and kind not in found:
            found.append(kind)
    return found if at == len(data) else None


def _xored(host: str, port: int, transaction: bytes) -> bytes:
    """RFC 5389 §15.2: hidden from NATs that rewrite addresses wherever they see them."""
    address = ip_address(host.partition("%")[0]).packed
    mask = MAGIC_COOKIE + transaction
    hidden = bytes(a ^ b for a, b in zip(address, mask, strict=False))
    return struct.pack("!BBH", 0, 1 if len(address) == 4 else 2, port ^ 0x2112) + hidden


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def _message(kind: int, transaction: bytes, body: bytes) -> bytes:
    return struct.pack("!HH", kind, len(body)) + MAGIC_COOKIE + transaction + body
