"""IP literals as the kernel writes them."""

from __future__ import annotations

import socket

import pytest

from trunkline.net.routes import family_of, ip_literal, remote_of, socket_address


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("2001:DB8::A", "2001:db8::a"),
        ("fe80::1%eth0", "fe80::1%eth0"),
    ],
)
def test_a_literal_gets_its_one_spelling(text: str, literal: str) -> None:
    assert ip_literal(text) == literal


@pytest.mark.parametrize(
    "text", ["", "localhost", "10.1", "0x7f.0.0.1", "127.0.0.1\0", "::x", "1.2.3.4:5", "٣.1.1.1"]
)
def test_a_name_is_no_literal(text: str) -> None:
    assert ip_literal(text) is None


def test_the_scope_of_a_link_local_address_reaches_the_kernel() -> None:
    assert socket_address("fe80::1%7", 5060) == ("fe80::1", 5060, 0, 7)
    assert socket_address("fe80::1%lo", 5060) == ("fe80::1", 5060, 0, socket.if_nametoindex("lo"))
    assert socket_address("::1", 5060) == ("::1", 5060)


def test_a_link_local_remote_keeps_its_scope_so_that_it_can_be_answered() -> None:
    assert remote_of(("fe80::1", 5060, 0, 7)) == ("fe80::1%7", 5060)
    assert remote_of(("fe80::1%eth0", 5060, 0, 7)) == ("fe80::1%eth0", 5060)
    assert remote_of(("2001:db8::1", 5060, 0, 0)) == ("2001:db8::1", 5060)
    assert remote_of(("192.0.2.1", 5060)) == ("192.0.2.1", 5060)


def test_the_family_is_told_by_the_colons() -> None:
    assert (family_of("10.0.0.1"), family_of("::1")) == (socket.AF_INET, socket.AF_INET6)
