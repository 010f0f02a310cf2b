"""RFC 6724: which address first."""

from __future__ import annotations

import pytest

from trunkline.net.dns.preference import by_preference


def order(*addresses: str, **sources: str | None) -> list[str]:
    """``sources`` by address family or address: what the kernel would send from."""

    def source_of(address: str) -> str | None:
        return sources.get(address, sources.get("six" if ":" in address else "four"))

    return by_preference(addresses, source_of)


@pytest.mark.rfc("6724", "6")
def test_ipv6_comes_before_ipv4_where_both_have_a_route() -> None:
    assert order("192.0.2.1", "2001:db8::1", six="2001:db8::99", four="192.0.2.99") == [
        "2001:db8::1",
        "192.0.2.1",
    ]


@pytest.mark.rfc("6724", "6")
def test_an_address_without_a_route_comes_last() -> None:
    assert order("2001:db8::1", "192.0.2.1", six=None, four="192.0.2.99") == ["192.0.2.1", "2001:db8::1"]


@pytest.mark.rfc("6724", "6")
def test_a_private_source_is_no_match_for_a_public_address() -> None:
    # A host with unique local IPv6 addresses alone reaches the public network by IPv4.
    assert order("2001:db8::1", "192.0.2.1", six="fd00::99", four="192.0.2.99") == [
        "192.0.2.1",
        "2001:db8::1",
    ]


@pytest.mark.rfc("6724", "6")
def test_the_scope_of_the_source_must_fit() -> None:
    assert order("2001:db8::1", "192.0.2.1", six="fe80::99", four="192.0.2.99") == [
        "192.0.2.1",
        "2001:db8::1",
    ]


@pytest.mark.rfc("6724", "2.1")
def test_tunnels_come_after_ipv4() -> None:
    assert order("2002:c000:201::1", "192.0.2.1", six="2002:c000:299::9", four="192.0.2.99") == [
        "192.0.2.1",
        "2002:c000:201::1",
    ]


@pytest.mark.rfc("6724", "6")
def test_the_nearer_scope_comes_first_among_equals() -> None:
    assert order("192.0.2.1", "127.0.0.1", **{"192.0.2.1": "192.0.2.99", "127.0.0.1": "127.0.0.1"}) == [
        "127.0.0.1",
        "192.0.2.1",
    ]


def test_equals_stay_as_the_name_server_sent_them_and_come_once() -> None:
    given = ["192.0.2.3", "192.0.2.1", "192.0.2.2", "192.0.2.1"]
    assert order(*given, four="192.0.2.99") == ["192.0.2.3", "192.0.2.1", "192.0.2.2"]


def test_a_scope_in_the_address_does_no_harm() -> None:
    assert order("fe80::1%2", "192.0.2.1", six="fe80::9%2", four="192.0.2.99")[0] == "fe80::1%2"


def test_one_address_asks_for_no_route() -> None:
    assert by_preference(["192.0.2.1"], lambda _address: pytest.fail("asked")) == ["192.0.2.1"]
