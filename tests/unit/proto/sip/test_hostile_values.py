"""Whatever a header value holds: a value comes out, or RemoteProtocolError."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.auth_params import parse_auth_params
from trunkline.proto.sip.challenge import parse_challenges
from trunkline.proto.sip.credentials import find_credentials, parse_credentials
from trunkline.proto.sip.grammar import parse_parameters, render_parameters, split_list
from trunkline.proto.sip.header_names import canonical
from trunkline.proto.sip.name_addr import NameAddr, parse_contacts, parse_name_addr, tag_of
from trunkline.proto.sip.numbers import parse_cseq, parse_delta_seconds, parse_uint
from trunkline.proto.sip.uri import SipUri, parse_uri
from trunkline.proto.sip.uri_equivalence import equivalent
from trunkline.proto.sip.via import Via, parse_top_via, stamp_via

Value = TypeVar("Value")

# Pieces of SIP in any order reach far deeper than random characters do; those come along as well.
URI_PIECES = [
    "sip:",
    "sips:",
    "tel:+1",
    "a",
    "example.com",
    "[2001:db8::1]",
    "192.0.2.1",
    ":5060",
    "%41",
    "%zz",
]
VIA_PIECES = ["SIP/2.0/UDP ", "SIP / 2.0 / TCP ", "z9hG4bK1", ";branch=", ";rport", ";received=", ";tag="]
DIGEST_NAMES = ["username=", "realm=", "nonce=", "uri=", "response=", "cnonce="]
DIGEST_PIECES = ["Digest ", *DIGEST_NAMES, "qop=auth", "nc=00000001", "algorithm=MD5"]
SIGNS = list("\"<>;,=:@%?\\/ \t\n*[]'()\x00\r\u2028\u212a\udcff²é1")
PIECES = [*SIGNS, *URI_PIECES, *VIA_PIECES, *DIGEST_PIECES, '""', '"a"', "INVITE", "9" * 30]
TEXT = st.lists(st.sampled_from(PIECES), max_size=25).map("".join) | st.text(max_size=60)


def address_properties(address: NameAddr) -> None:
    assert parse_name_addr(str(address)).params == address.params
    for read in (lambda: address.q, lambda: address.tag, lambda: address.address):
        tolerate(read)
    expires = address.expires
    assert expires is None or 0 <= expires < 2**32


def uri_properties(uri: SipUri) -> None:
    assert equivalent(uri, uri)
    assert not any(character <= " " for character in str(uri))
    _ = uri.target, uri.aor


def via_properties(via: Via) -> None:
    if via.tail.lower().count("branch") <= 1:
        assert via.branch == (via.params.get("branch") or "")
    tolerate(lambda: via.reply_address)
    assert via.sent_by.startswith(via.host)


def tolerate(read: Callable[[], Value]) -> Value | None:
    try:
        return read()
    except RemoteProtocolError as error:
        check_error(error)
        return None


def check_error(error: RemoteProtocolError) -> None:
    assert error.status == 400
    assert error.reason.isprintable()
    assert len(error.reason) < 120


@pytest.mark.parametrize(
    "parse",
    [
        parse_auth_params,
        parse_challenges,
        parse_credentials,
        parse_parameters,
        split_list,
        canonical,
        parse_cseq,
        tag_of,
        lambda text: find_credentials(text, "a"),
        lambda text: parse_uint(text, "X", 255),
        lambda text: parse_delta_seconds(text, "X"),
    ],
)
@given(text=TEXT)
def test_no_text_breaks_a_parser(parse: Callable[[str], object], text: str) -> None:
    tolerate(lambda: parse(text))


@given(TEXT)
def test_no_text_breaks_an_address(text: str) -> None:
    address = tolerate(lambda: parse_name_addr(text))
    if address is not None:
        address_properties(address)
        assert tolerate(lambda: tag_of(text)) == tolerate(lambda: address.tag)
    for contact in tolerate(lambda: parse_contacts(text)) or []:
        if not contact.is_wildcard:
            address_properties(contact)


@given(TEXT, st.sampled_from(["", "sip:", "sip:a@", "tel:"]))
def test_no_text_breaks_a_uri(text: str, prefix: str) -> None:
    uri = tolerate(lambda: parse_uri(prefix + text))
    if uri is not None:
        uri_properties(uri)


@given(TEXT, st.sampled_from(["", "SIP/2.0/UDP a", "SIP/2.0/UDP a;branch=z9hG4bK1"]), st.booleans())
def test_no_text_breaks_a_via_and_its_stamp_can_be_read(text: str, prefix: str, force: bool) -> None:
    value = prefix + text
    via = tolerate(lambda: parse_top_via(value))
    if via is not None:
        via_properties(via)
        stamped = parse_top_via(stamp_via(value, "198.51.100.7", 4321, force))
        assert stamped.params["received"] == "198.51.100.7"
        assert stamped.params.get("rport") == ("4321" if force or "rport" in via.params else None)
        assert stamped.branch == via.branch


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9.+-]*", fullmatch=True), st.none() | st.text(max_size=20), max_size=5
    )
)
def test_rendered_parameters_read_back_or_lose_control_characters_only(
    parameters: dict[str, str | None],
) -> None:
    again = parse_parameters(render_parameters(parameters))
    clean = {
        name: value and value.translate({13: " ", 10: " ", 0: " "}) for name, value in parameters.items()
    }
    assert again == clean
