"""Which certificates prove which SIP domains."""

from __future__ import annotations

from typing import Any

import pytest

from trunkline.net.tls.peer_identity import fits, proves


def certificate(*names: tuple[str, str], common: str = "") -> dict[str, Any]:
    """As ``ssl`` tells a verified certificate."""
    subject = ((("commonName", common),),) if common else ()
    return {"subject": subject} | ({"subjectAltName": names} if names else {})


@pytest.mark.rfc("5922", "7.1")
@pytest.mark.parametrize(
    ("names", "wanted", "proven"),
    [
        ([("URI", "sip:example.com")], "example.com", True),
        ([("URI", "SIP:Example.COM")], "EXAMPLE.com.", True),
        ([("URI", "sip:example.com"), ("DNS", "other.example")], "other.example", False),
        ([("URI", "sip:anna@example.com")], "example.com", False),
        ([("URI", "sips:example.com")], "example.com", False),
        ([("URI", "https://example.com"), ("DNS", "example.com")], "example.com", True),
        ([("URI", "sip:"), ("DNS", "example.com")], "example.com", True),
        ([("URI", "sip:*.example.com")], "a.example.com", False),
        ([("DNS", "example.com")], "sip.example.com", False),
        ([("DNS", "*.example.com")], "sip.example.com", True),
        ([("DNS", "*.example.com")], "a.b.example.com", False),
        ([("DNS", "*.com")], "example.com", False),
        ([("IP Address", "192.0.2.1")], "192.0.2.1", True),
        ([("IP Address", "2001:DB8:0:0:0:0:0:1\n")], "2001:db8::1", True),
        ([("IP Address", "192.0.2.1")], "192.0.2.2", False),
        ([("DNS", "192.0.2.1")], "192.0.2.1", False),
    ],
)
def test_the_alternative_names_prove_a_domain(
    names: list[tuple[str, str]], wanted: str, proven: bool
) -> None:
    assert proves(certificate(*names, common=wanted), wanted) is proven


def test_the_common_name_counts_for_a_certificate_without_any_other() -> None:
    assert proves(certificate(common="example.com"), "example.com")
    assert not proves(certificate(common="example.com"), "example.org")
    assert not proves(certificate(common="192.0.2.1"), "192.0.2.1")


def test_a_peer_without_a_certificate_proves_nothing() -> None:
    assert not proves(None, "example.com")
    assert not proves({}, "example.com")


@pytest.mark.parametrize("pattern", ["*", "*.", ".example.com", "a*.example.com", "*.*.example.com", ""])
def test_only_a_whole_leftmost_label_may_be_left_open(pattern: str) -> None:
    assert not fits(pattern, "a.example.com")
    assert not fits(pattern, "a.b.example.com")
