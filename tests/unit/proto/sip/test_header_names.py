"""Names of headers."""

from __future__ import annotations

import pytest

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.header_names import CANONICAL, COMPACT, LISTS, canonical, is_list


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Via", "Via"),
        ("via", "Via"),
        ("VIA", "Via"),
        ("v", "Via"),
        ("V", "Via"),
        ("call-id", "Call-ID"),
        ("CALL-id", "Call-ID"),
        ("CSEQ", "CSeq"),
        ("Cseq", "CSeq"),
        ("Www-authenticate", "WWW-Authenticate"),
        ("MaX-fOrWaRdS", "Max-Forwards"),
        ("Content-Length   ", "Content-Length"),
        ("rack", "RAck"),
        ("sip-etag", "SIP-ETag"),
        ("NewFangledHeader", "Newfangledheader"),
        ("x-my-HEADER", "X-My-Header"),
        ("extensionHeader-!.%*+_`'~", "Extensionheader-!.%*+_`'~"),
        ("C%6Fntact", "C%6fntact"),
    ],
)
def test_every_spelling_leads_to_the_canonical_one(name: str, expected: str) -> None:
    assert canonical(name) == expected
    assert canonical(expected) == expected


@pytest.mark.parametrize("name", ["", " ", "To From", " To", "Tö", "To\x00", "(To)", "To\n", "\u212a"])
def test_a_name_that_is_no_token_is_an_error(name: str) -> None:
    with pytest.raises(RemoteProtocolError, match="malformed header name"):
        canonical(name)


@pytest.mark.rfc("3261", "7.3.3")
@pytest.mark.rule("T-40")
def test_all_compact_forms_of_the_registry_are_known() -> None:
    assert "".join(sorted(COMPACT)) == "abcdefijklmnorstuvxy"
    assert all(canonical(short) == name for short, name in COMPACT.items())


def test_common_spellings_need_one_look_up() -> None:
    for name in (
        "From",
        "from",
        "FROM",
        "f",
        "Content-Length",
        "content-length",
        "Www-Authenticate",
        "Call-Id",
    ):
        assert name in CANONICAL


@pytest.mark.rfc("3261", "7.3.1")
def test_lists_and_single_values_are_told_apart() -> None:
    assert all(
        is_list(name) for name in ("Via", "Route", "Record-Route", "Contact", "Path", "Allow", "Supported")
    )
    single = (
        "Authorization",
        "WWW-Authenticate",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "Date",
        "Subject",
        "To",
    )
    assert not any(is_list(name) for name in single)
    assert all(canonical(name) == name for name in LISTS)
