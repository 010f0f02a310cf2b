"""Whom an address stands for."""

from __future__ import annotations

import ipaddress

import pytest

from trunkline.net.fence.source import is_within, parse_source, source_of


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:c000:207", "192.0.2.7"),
        ("fe80::1%2", "fe80::1%2"),
        ("not:an:address", "not:an:address"),
        ("", ""),
    ],
)
def test_an_ipv4_host_is_itself_and_an_ipv6_host_its_network(host: str, source: str) -> None:
    assert source_of(host) == source


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        (" 192.0.2.7 ", "192.0.2.7"),
        ("[2001:db8::5]", "2001:db8::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:DB8:0:0::/64", "2001:db8::/64"),
    ],
)
def test_what_an_operator_types_is_a_source(text: str, source: str) -> None:
    assert parse_source(text) == source


@pytest.mark.parametrize(
    "text", ["", "host.example", "192.0.2.0/24", "192.0.2.7/64", "2001:db8::/48", "192.0.2.7:5060"]
)
def test_what_is_no_source_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_source(text)


@pytest.mark.parametrize(
    ("source", "inside"),
    [
        ("10.1.2.3", True),
        ("11.0.0.1", False),
        ("2001:db8:9::/64", True),
        ("2001:db9::/64", False),
        ("2001:db9:0:5::/64", True),
        ("fe80::1%2", True),
        ("fe80::2%2", False),
        ("x", False),
    ],
)
def test_a_source_lies_in_a_network_or_not(source: str, *, inside: bool) -> None:
    named = ("10.0.0.0/8", "2001:db8::/32", "2001:db9:0:5::10", "fe80::1")
    assert is_within(source, [ipaddress.ip_network(one) for one in named]) is inside
