"""Which addresses a stranger may lead us to."""

from __future__ import annotations

import ipaddress

import pytest

from trunkline.net.public_addresses import all_may_be_reached, may_reach


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "64:ff9b::101:101"])
def test_the_public_internet_may_be_reached(address: str) -> None:
    assert may_reach(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "::127.0.0.1",
        "ff0e::1",
        "::ffff:1.1.1.1",
        "name",
        "",
    ],
)
def test_our_own_networks_may_not(address: str) -> None:
    assert not may_reach(address)
    assert not all_may_be_reached(["1.1.1.1", address])


def test_what_the_operator_allows_may_be_inside() -> None:
    inside = (ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00::/8"))
    assert may_reach("10.1.2.3", inside)
    assert may_reach("fd00::1", inside)
    assert not may_reach("10.2.0.1", inside)
    assert all_may_be_reached(["10.1.2.3", "1.1.1.1"], inside)


def test_a_name_without_addresses_is_not_reached() -> None:
    assert not all_may_be_reached([])
