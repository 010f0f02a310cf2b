"""Parsing whole bodies: what is kept, what is refused."""

from __future__ import annotations

import pytest

from tests.unit.proto.sdp.samples import SAMPLES
from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sdp import MAX_BODY, MAX_FORMATS, MAX_MEDIA, MAX_ROWS, Connection, Origin, parse_session

MINIMAL = "v=0\r\nm=audio 4000 RTP/AVP 0\r\n"


@pytest.mark.rfc("8866", "5")
@pytest.mark.parametrize("name", SAMPLES)
def test_a_parsed_body_serializes_to_itself(name: str) -> None:
    assert str(parse_session(SAMPLES[name])) == SAMPLES[name]


@pytest.mark.parametrize("name", SAMPLES)
def test_bare_line_feeds_and_blank_lines_are_read_and_leave_as_crlf(name: str) -> None:
    body = "\n" + SAMPLES[name].replace("\r\n", "\n") + "\n\n"
    assert str(parse_session(body)) == SAMPLES[name]


def test_a_missing_last_line_end_is_supplied() -> None:
    assert str(parse_session(MINIMAL.removesuffix("\r\n"))) == MINIMAL


def test_bytes_that_are_not_utf8_survive() -> None:
    body = b"v=0\r\ns=caf\xe9\r\n"
    assert str(parse_session(body)).encode("utf-8", "surrogateescape") == body


def test_unicode_line_separators_do_not_end_a_row() -> None:
    session = parse_session("v=0\r\ns=a\u2028m=audio 1 RTP/AVP 0\x0bm=x\x85\r\n")
    assert session.media == []
    assert session.name == "a\u2028m=audio 1 RTP/AVP 0\x0bm=x\x85"


def test_missing_rows_leave_the_typed_values_empty() -> None:
    session = parse_session(MINIMAL)
    assert session.origin is None
    assert session.connection is None
    assert session.name is None
    assert session.connection_of(session.media[0]) is None
    assert session.direction_of(session.media[0]) == "sendrecv"


def test_repeated_rows_are_kept_and_the_first_counts() -> None:
    origins = "o=a 1 2 IN IP4 192.0.2.1\r\no=b 3 4 IN IP4 192.0.2.2\r\n"
    body = f"v=0\r\n{origins}c=IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.2\r\n"
    session = parse_session(body)
    assert session.origin == Origin("a", 1, 2, "192.0.2.1")
    assert session.connection == Connection("192.0.2.1", "ip4")
    assert str(session) == body


def test_unknown_rows_are_kept_in_place() -> None:
    body = "v=0\r\nq=what\r\nnot a row\r\nm=audio 4000 RTP/AVP 0\r\nx=y\r\na=\r\n=\r\n"
    assert str(parse_session(body)) == body


@pytest.mark.rfc("8866", "5.7")
def test_a_section_overrides_the_address_of_the_session() -> None:
    session = parse_session(
        "v=0\r\nc=IN IP4 192.0.2.1\r\n" + MINIMAL[5:] + "c=IN IP6 2001:db8::1\r\nm=text 1 x y\r\n"
    )
    addresses = [session.connection_of(media) for media in session.media]
    assert addresses == [Connection("2001:db8::1", "ip6"), Connection("192.0.2.1", "ip4")]


@pytest.mark.rfc("8866", "6.7")
def test_a_section_overrides_the_direction_of_the_session() -> None:
    session = parse_session("v=0\r\na=recvonly\r\nm=audio 1 x y\r\na=inactive\r\nm=audio 1 x y\r\n")
    assert [session.direction_of(media) for media in session.media] == ["inactive", "recvonly"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", "begins with ''"),
        ("hello", "begins with 'hello', expected 'v=0'"),
        ("v=1\r\n", "begins with 'v=1'"),
        ("o=- 1 1 IN IP4 192.0.2.1\r\nv=0\r\n", "expected 'v=0'"),
        ("v=0\r\ns=a\0b\r\n", "NUL"),
        ("v=0\r\ns=a\rm=audio 1 RTP/AVP 0\r\n", "carriage return"),
        ("v=0\r\ns=" + "a" * MAX_BODY, f"at most {MAX_BODY}"),
        ("v=0\r\n" + "a=x\r\n" * MAX_ROWS, f"at most {MAX_ROWS}"),
        ("v=0\r\nm=audio 1 RTP/AVP" + " 0" * (MAX_FORMATS + 1), f"at most {MAX_FORMATS} formats"),
        ("v=0\r\nm=audio\r\n", "'m=audio'"),
        ("v=0\r\nm=audio 1 RTP/AVP\r\n", "expected 'm=kind port protocol format'"),
        ("v=0\r\nm=audio x RTP/AVP 0\r\n", "port 0..65535"),
        ("v=0\r\nm=audio 65536 RTP/AVP 0\r\n", "port 0..65535"),
        ("v=0\r\nm=audio -1 RTP/AVP 0\r\n", "port 0..65535"),
        ("v=0\r\nm=audio ٣ RTP/AVP 0\r\n", "port 0..65535"),
        ("v=0\r\nm=audio 1/0 RTP/AVP 0\r\n", "media line"),
        ("v=0\r\nm=audio 1/ RTP/AVP 0\r\n", "media line"),
    ],
)
def test_what_cannot_be_parsed_is_named_with_a_400(body: str, said: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_session(body)
    assert caught.value.status == 400
    assert said in caught.value.reason


@pytest.mark.rule("T-20")
def test_more_media_lines_than_we_carry_are_not_acceptable_here() -> None:
    body = "v=0\r\n" + "m=audio 1 RTP/AVP 0\r\n" * (MAX_MEDIA + 1)
    with pytest.raises(RemoteProtocolError, match=f"at most {MAX_MEDIA}") as caught:
        parse_session(body)
    assert caught.value.status == 488


def test_an_error_shows_a_short_printable_excerpt_only() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_session("v=0\r\nm=\x1b[31m\u202e" + "x" * 500)
    assert caught.value.reason.isprintable()
    assert caught.value.reason.isascii()
    assert len(caught.value.reason) < 200


@pytest.mark.parametrize("row", ["o=-", "o=- x 1 IN IP4 192.0.2.1", "o=- 1 99999999999999999999999 IN IP4 h"])
def test_a_malformed_origin_is_an_error_only_when_asked_for(row: str) -> None:
    session = parse_session(f"v=0\r\n{row}\r\n")
    with pytest.raises(RemoteProtocolError, match="expected 'username sess-id"):
        _ = session.origin


def test_an_origin_may_have_spaces_in_its_user_name() -> None:
    session = parse_session("v=0\r\no=Jane  Doe 1 2 IN IP4 192.0.2.1\r\n")
    assert session.origin == Origin("Jane Doe", 1, 2, "192.0.2.1")
