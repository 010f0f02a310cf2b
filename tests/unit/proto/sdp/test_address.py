"""The c= row: families, names, multicast, and addresses that mean "send nothing"."""

from __future__ import annotations

import pytest

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sdp import Connection, parse_connection


@pytest.mark.rfc("8866", "5.7")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("IN IP4 192.0.2.1", Connection("192.0.2.1", "ip4")),
        ("IN IP6 2001:db8::1", Connection("2001:db8::1", "ip6")),
        ("IN IP6 ::ffff:192.0.2.1", Connection("::ffff:192.0.2.1", "ip6")),
        ("IN IP4 gw.example.net", Connection("gw.example.net", "name")),
        ("IN IP4 phone", Connection("phone", "name")),
        ("in ip4  192.0.2.1 ", Connection("192.0.2.1", "ip4")),
        ("IN IP4 2001:db8::1", Connection("2001:db8::1", "ip6")),
        ("IN IP4 233.252.0.1/127/3", Connection("233.252.0.1", "ip4", unicast=False, suffix="127/3")),
        ("IN IP6 ff15::101/3", Connection("ff15::101", "ip6", unicast=False, suffix="3")),
        ("IN IP4 255.255.255.255", Connection("255.255.255.255", "ip4", unicast=False)),
        ("IN IP6 ::ffff:233.252.0.1", Connection("::ffff:233.252.0.1", "ip6", unicast=False)),
    ],
)
def test_an_address_is_read(value: str, expected: Connection) -> None:
    assert parse_connection(value) == expected


@pytest.mark.rule("T-21")
@pytest.mark.rfc("3264", "8.4")
@pytest.mark.parametrize("value", ["IN IP4 0.0.0.0", "IN IP6 ::", "IN IP6 0:0::0", "IN IP6 anon.INVALID"])
def test_an_address_that_means_send_nothing_is_zero(value: str) -> None:
    assert parse_connection(value).zero


@pytest.mark.parametrize(
    "value",
    [
        "",
        "IN IP4",
        "IN IP4 192.0.2.1 extra",
        "ATM NSAP 47.0091",
        "IN IP5 192.0.2.1",
        "IN IP4 999.1.1.1",
        "IN IP4 192.0.2",
        "IN IP4 192.0.2.01",
        "IN IP4 -bad.example",
        "IN IP4 a..b",
        "IN IP4 192.0.2.1/x",
        "IN IP4 192.0.2.1/",
        "IN IP6 2001:db8::1::2",
        "IN IP6 fe80::1%eth0",
        "IN IP6 [2001:db8::1]",
        "IN IP4 " + "a." * 200 + "b",
        "IN IP4" + " " * 60_000 + "192.0.2.1",
    ],
)
def test_what_is_no_address_is_refused(value: str) -> None:
    with pytest.raises(RemoteProtocolError, match="c= is"):
        parse_connection(value)
