"""P-Asserted-Identity, Remote-Party-ID, Privacy, numbers."""

from __future__ import annotations

import pytest

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.identity.asserted import RemoteParty, parse_asserted, parse_remote_party
from trunkline.proto.sip.identity.number import canonical, number_of, verstat_of
from trunkline.proto.sip.identity.privacy import Privacy, is_anonymous, parse_privacy
from trunkline.proto.sip.name_addr import NameAddr
from trunkline.proto.sip.uri import parse_uri


@pytest.mark.rfc("3325", "9.1")
@pytest.mark.rule("T-34")
def test_one_sip_and_one_tel_identity_are_read() -> None:
    value = '"Cullen" <sip:fluffy@cisco.com>, <tel:+14085264000>\n<sip:third@cisco.com>'
    assert [one.uri for one in parse_asserted(value)] == ["sip:fluffy@cisco.com", "tel:+14085264000"]
    assert parse_asserted("") == []


@pytest.mark.parametrize("value", ["<mailto:a@b>", "<sip:>", '"x <sip:a@b>', "<tel:x y>", "*"])
def test_a_malformed_identity_is_the_peers_fault(value: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_asserted(value)


@pytest.mark.rule("T-34")
def test_a_remote_party_says_whether_it_is_checked_and_private() -> None:
    read = parse_remote_party('"Jo" <sip:+4930@a.test;user=phone>;party=calling;screen=yes;privacy=full')
    assert read is not None
    assert (read.address.display, read.address.uri) == ("Jo", "sip:+4930@a.test;user=phone")
    assert (read.screened, read.private) == (True, True)
    again = parse_remote_party(str(read))
    assert again is not None
    assert (again.address.uri, again.screened, again.private) == (read.address.uri, True, True)


def test_a_remote_party_that_is_called_is_nobody_who_calls() -> None:
    assert parse_remote_party("<sip:a@b>;party=called") is None
    assert parse_remote_party("<sip:a@b>;party=called, <sip:c@d>;privacy=off") is not None
    assert str(RemoteParty(NameAddr("", "sip:c@d", {}))) == "<sip:c@d>;party=calling;privacy=off;screen=yes"


@pytest.mark.rfc("3323", "4.2")
@pytest.mark.parametrize(
    ("value", "hides", "unmet"),
    [
        ("id", True, False),
        ("user;critical", True, False),
        ("Header; SESSION", False, False),
        ("none", False, False),
        ("id;none", False, False),
        ("id, header", True, False),
        ("colour;critical", False, True),
        ("colour", False, False),
        (";;", False, False),
    ],
)
def test_privacy_says_what_it_hides(value: str, hides: bool, unmet: bool) -> None:
    privacy = parse_privacy(value)
    assert (privacy.hides, bool(privacy.unmet)) == (hides, unmet)


def test_privacy_is_written_in_order() -> None:
    assert str(Privacy(frozenset({"user", "id"}), critical=True)) == "id;user;critical"


@pytest.mark.rfc("3323", "4.1.1.3")
@pytest.mark.parametrize(
    ("uri", "anonymous"),
    [
        ("sip:anonymous@anonymous.invalid", True),
        ("sip:Anonymous@192.0.2.1", True),
        ("sip:c8oqz84zk7z@anonymous.invalid", True),
        ("sip:1001@pbx.test", False),
        ("tel:+1", False),
    ],
)
def test_an_anonymous_address_is_known(uri: str, anonymous: bool) -> None:
    assert is_anonymous(parse_uri(uri)) is anonymous


@pytest.mark.parametrize(
    ("uri", "number"),
    [
        ("tel:+1-201-555-0123;ext=5", "+12015550123"),
        ("sip:+1(201)555-0123@a.test;user=phone", "+12015550123"),
        ("sip:+12015550123;verstat=TN-Validation-Passed@a.test", "+12015550123"),
        ("sip:jo.doe@a.test", "jo.doe"),
        ("sip:a.test", ""),
    ],
)
def test_the_number_of_an_address_is_without_decoration(uri: str, number: str) -> None:
    assert number_of(parse_uri(uri)) == number


def test_only_known_words_of_verification_are_read() -> None:
    assert verstat_of(parse_uri("sip:+1;verstat=TN-Validation-Failed@a.test")) == "TN-Validation-Failed"
    assert verstat_of(parse_uri("tel:+12015550123;verstat=No-TN-Validation")) == "No-TN-Validation"
    assert verstat_of(parse_uri("sip:+1;verstat=Surely@a.test")) == ""


@pytest.mark.rfc("8224", "8.3")
@pytest.mark.rule("T-35")
@pytest.mark.parametrize(
    ("number", "digits"),
    [
        ("+1-201-555-0123", "12015550123"),
        ("12015550123", "12015550123"),
        ("+49 (30) 123", "4930123"),
        ("1001", None),
        ("jo", None),
        ("+1*234567", None),
        ("1234567890123456", None),
        ("", None),
    ],
)
def test_a_number_has_one_canonical_form(number: str, digits: str | None) -> None:
    assert canonical(number) == digits
