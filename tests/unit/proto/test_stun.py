"""STUN on the SIP port: what keeps a phone's NAT open (RFC 5389)."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest

from trunkline.proto.stun import MAGIC_COOKIE, answer, is_stun

TRANSACTION = bytes(range(100, 112))


def request(attributes: bytes = b"", kind: int = 1, length: int | None = None) -> bytes:
    size = len(attributes) if length is None else length
    return struct.pack("!HH", kind, size) + MAGIC_COOKIE + TRANSACTION + attributes


@pytest.mark.rule("T-26")
@pytest.mark.rfc("5389", "15.2")
@pytest.mark.parametrize("host", ["198.51.100.7", "2001:db8::7"])
def test_a_binding_request_is_told_where_it_came_from(host: str) -> None:
    response = answer(request(), host, 40000)
    assert response is not None
    assert response[:20] == struct.pack("!HH", 0x0101, len(response) - 20) + MAGIC_COOKIE + TRANSACTION
    kind, size, _, family, port = struct.unpack_from("!HHBBH", response, 20)
    assert (kind, port ^ 0x2112) == (0x0020, 40000)
    mask = MAGIC_COOKIE + TRANSACTION
    packed = bytes(a ^ b for a, b in zip(response[28 : 24 + size], mask, strict=False))
    assert ip_address(packed) == ip_address(host)
    assert family == (2 if ":" in host else 1)


@pytest.mark.rfc("5389", "7.3.1")
def test_what_must_be_understood_and_is_not_is_named() -> None:
    optional = struct.pack("!HH3sx", 0x8022, 3, b"abc")
    response = answer(request(optional + struct.pack("!HHI", 0x0024, 4, 1)), "192.0.2.1", 1)
    assert response is not None
    assert response[:2] == b"\x01\x11"
    assert response[20:28] == struct.pack("!HHHBB", 9, 21, 0, 4, 20)
    assert response[-8:] == struct.pack("!HHHxx", 0x000A, 2, 0x0024)
    assert len(response) % 4 == 0
    assert answer(request(optional), "192.0.2.1", 1) is not None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"OPTIONS sip:a SIP/2.0\r\n\r\n",
        request()[:19],
        request(kind=0x0011),
        request(kind=0x0101),
        request(length=4),
        request(b"\x00\x01\x00\x09abcd"),
        request(b"abc"),
        b"\x00\x01\x00\x00" + bytes(16),
    ],
)
def test_anything_else_is_left_unanswered(data: bytes) -> None:
    assert answer(data, "192.0.2.1", 1) is None


def test_no_mutant_of_a_request_does_harm() -> None:
    whole = request(struct.pack("!HH4s", 0x8022, 4, b"abcd"))
    for at in range(len(whole)):
        for byte in (0, 1, 0x7F, 0xFF):
            answer(whole[:at] + bytes([byte]) + whole[at + 1 :], "192.0.2.1", 1)
        answer(whole[:at], "192.0.2.1", 1)


def test_stun_is_told_from_sip() -> None:
    assert is_stun(request())
    assert not is_stun(b"\x04" + request()[1:])


@pytest.mark.rule("T-26")
@pytest.mark.rfc("5389", "7.1")
def test_a_request_larger_than_any_phone_sends_is_left_alone_and_none_is_answered_with_much_more() -> None:
    strange = [struct.pack("!HH", 0x1000 + number, 0) for number in range(16_000)]
    assert answer(request(b"".join(strange)), "192.0.2.1", 1) is None
    for count in range(200):
        data = request(b"".join(strange[:count]))
        response = answer(data, "2001:db8::1", 1)
        if response is not None:
            assert len(response) <= len(data) + 32
    assert answer(request(b"".join(strange[:100])), "192.0.2.1", 1) is not None
