"""Messages out of bytes: RFC 3261 §7, §18.3, §25.1."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.proto.sip.samples import request, request_bytes, response, response_bytes
from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.header_names import COMPACT
from trunkline.proto.sip.message import (
    MAX_HEAD,
    MAX_HEADERS,
    Message,
    Request,
    Response,
    check_request,
    check_response,
    parse_message,
)


def refusal(data: bytes) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_message(data)
    assert caught.value.reason.isprintable()
    assert caught.value.reason.isascii()
    return caught.value


def parse_request(data: bytes) -> Request:
    message = parse_message(data)
    assert isinstance(message, Request)
    return message


def options(*lines: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([b"OPTIONS sip:a@b SIP/2.0", *lines, b"", body])


@pytest.mark.rfc(3261, "7")
def test_a_request_comes_apart_into_method_uri_headers_and_body() -> None:
    message = parse_request(request_bytes(body=b"v=0\r\n", Subject="a:b"))
    assert (message.method, message.uri, message.body) == ("INVITE", "sip:200@example.com", b"v=0\r\n")
    assert message.cseq == (1, "INVITE")
    assert (message.from_tag, message.to_tag, message.call_id) == ("f1", None, "c1@192.0.2.7")
    assert (message.via.branch, message.via.port, message.max_forwards) == ("z9hG4bK-1", 5062, 70)
    assert message.get("Subject") == "a:b"


@pytest.mark.rfc(3261, "7.2")
@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        (b"SIP/2.0 200 OK", 200, "OK"),
        (b"SIP/2.0 100 ", 100, ""),
        (b"SIP/2.0 699", 699, ""),
        (b"sip/2.0 180 Ringing  twice", 180, "Ringing  twice"),
    ],
)
def test_a_response_comes_apart_into_status_and_reason(line: bytes, status: int, reason: str) -> None:
    message = parse_message(response_bytes().replace(b"SIP/2.0 200 Reason", line, 1))
    assert isinstance(message, Response)
    assert (message.status, message.reason) == (status, reason)


@pytest.mark.rfc(3261, "7.2")
@pytest.mark.parametrize(
    "line",
    [
        b"SIP/2.0 99 x",
        b"SIP/2.0 700 x",
        b"SIP/2.0 2000 x",
        b"SIP/2.0  200 x",
        b"SIP/2.0 2x0 x",
        b"SIP/2.0 ",
        b"SIP/2.0 4294967301 better",
        "SIP/2.0 ²00 x".encode(),
        b"SIP/2.0",
    ],
)
def test_a_malformed_status_line_is_refused(line: bytes) -> None:
    assert "malformed status line" in refusal(line + b"\r\nVia: x\r\n\r\n").reason or line == b"SIP/2.0"


@pytest.mark.rfc(3261, "7.1")
@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("INVITE  sip:a@b SIP/2.0", 400),
        ("INVITE sip:a@b  SIP/2.0", 400),
        ("INVITE sip:a@b SIP/2.0 ", 400),
        ("INVITE <sip:a@b> SIP/2.0", 400),
        ('INVITE sip:a@b;x="y" SIP/2.0', 400),
        ("IN(VITE sip:a@b SIP/2.0", 400),
        ("INVITE sip:a@b", 400),
        ("INVITE sip:a@b HTTP/1.1", 400),
        ("INVITE sip:a@b SIP/3.0", 505),
        ("INVITE sip:a@b SIP/2.00", 505),
        ("", 400),
    ],
)
def test_a_malformed_request_line_is_refused(line: str, status: int) -> None:
    assert refusal(request_bytes(start=line)).status == status


@pytest.mark.rfc(3261, "7.1")
def test_the_version_is_read_in_any_case() -> None:
    assert parse_request(request_bytes(start="INVITE sip:a@b sip/2.0")).method == "INVITE"


@pytest.mark.rfc(3261, "7.3.3")
@pytest.mark.parametrize("short", [*COMPACT, *(name.upper() for name in COMPACT)])
@pytest.mark.rule("T-40")
def test_a_compact_name_is_its_long_one(short: str) -> None:
    headers = parse_request(options(f"{short}: 0".encode())).headers
    assert headers == {COMPACT[short.lower()]: "0"}


@pytest.mark.rfc(3261, "7.3.1")
@pytest.mark.parametrize("name", ["call-id", "CALL-ID", "Call-Id", "cAlL-iD", "i", "Call-ID \t"])
@pytest.mark.rule("T-40")
def test_a_header_name_is_found_in_any_spelling(name: str) -> None:
    assert parse_request(options(f"{name}:x".encode())).call_id == "x"


@pytest.mark.rfc(3261, "7.3.1")
@pytest.mark.parametrize("fold", ["\r\n ", "\r\n\t", "\r\n \t  ", " \r\n ", "\r\n \r\n "])
@pytest.mark.rule("T-40")
def test_a_folded_value_is_one_line(fold: str) -> None:
    value = parse_request(options(f"Subject: one{fold}two".encode())).headers["Subject"]
    assert value.split() == ["one", "two"]
    assert "\r" not in value
    assert "\n" not in value


@pytest.mark.rfc(3261, "7.1")
@pytest.mark.rule("T-40")
def test_the_start_line_cannot_be_folded() -> None:
    assert refusal(b"OPTIONS sip:a@b\r\n SIP/2.0\r\nVia: x\r\n\r\n").status == 400
    assert refusal(b"SIP/2.0 200 OK\r\n Via: x\r\nVia: y\r\n\r\n").status == 400


@pytest.mark.rfc(3261, "7.3.1")
@pytest.mark.rule("T-40")
def test_repeated_headers_stay_apart_in_order() -> None:
    message = parse_request(options(b"Via: a", b"Route: <sip:r>", b"v: b, c", b"VIA: d"))
    assert message.headers["Via"] == "a\nb, c\nd"
    assert message.values("Via") == ["a", "b, c", "d"]
    assert message.values("Subject") == []


@pytest.mark.parametrize("line", [b"no colon", b": empty name", b"Sub ject: x", b"S\x00: x", b"\xff: x"])
def test_a_malformed_header_line_is_refused(line: bytes) -> None:
    assert refusal(options(line)).status == 400


@pytest.mark.parametrize("stray", [b"\r", b"\n", b"\n\n", b"\r\r", b"\n "])
@pytest.mark.parametrize("place", [b"Subject: a%sb", b"Sub%sject: a", b"Subject: a%s", b"Subject:%s"])
def test_a_stray_cr_or_lf_is_refused(stray: bytes, place: bytes) -> None:
    assert "stray CR or LF" in refusal(options(place % stray)).reason


def test_a_message_without_empty_line_is_refused() -> None:
    assert refusal(b"OPTIONS sip:a@b SIP/2.0\r\nVia: x\r\n").status == 400
    assert refusal(b"OPTIONS sip:a@b SIP/2.0\n\nVia: x\n\n").status == 400
    assert refusal(b"").status == 400


@pytest.mark.rfc(3261, "18.3")
@pytest.mark.parametrize(
    ("length", "body"),
    [(None, b"abcdef"), ("6", b"abcdef"), ("3", b"abc"), ("0", b""), ("0006", b"abcdef"), ("  2 ", b"ab")],
)
@pytest.mark.rule("T-40")
def test_content_length_cuts_the_body_and_its_absence_means_the_rest(length: str | None, body: bytes) -> None:
    assert parse_request(request_bytes(body=b"abcdef", Content_Length=length)).body == body


@pytest.mark.rfc(3261, "18.3")
@pytest.mark.parametrize(
    "length", ["7", "-1", "+6", "6.0", "six", "", "٦", "6\n6", "6\n5", "9" * 30, "9" * 5000]
)
@pytest.mark.rule("T-40")
def test_a_content_length_that_cannot_be_right_is_refused(length: str) -> None:
    assert refusal(request_bytes(body=b"abcdef", Content_Length=length)).status == 400


@pytest.mark.rfc(3261, "7.4")
def test_a_body_may_hold_any_bytes() -> None:
    body = bytes(range(256)) + b"\r\n\r\nINVITE"
    assert parse_request(request_bytes(body=body)).body == body


@pytest.mark.rfc(4475, "3.1.1.2")
@pytest.mark.rule("T-40")
def test_nul_and_bytes_that_are_no_utf8_leave_as_they_came() -> None:
    name = b'"\x00\xff\xc3\xa9\xed\xa0\x80" <sip:a@b>;tag=f1'
    message = parse_request(
        options(b"Via: SIP/2.0/UDP h;branch=z9hG4bK1", b"From: " + name, b"Call-ID: x", b"CSeq: 1 OPTIONS")
    )
    assert b"\r\nFrom: " + name + b"\r\n" in message.echo.encode("utf-8", "surrogateescape")
    assert message.from_tag == "f1"


def test_too_many_headers_are_refused() -> None:
    parse_message(options(*[b"X: y"] * (MAX_HEADERS - 1)))
    assert refusal(options(*[b"X: y"] * MAX_HEADERS)).status == 513


def test_headers_that_are_too_large_are_refused() -> None:
    assert refusal(options(b"Subject: " + b"x" * MAX_HEAD)).status == 513


@pytest.mark.parametrize(
    "line",
    [
        b"Subject: " + b" " * 60000 + b"x\r\n y",
        b"Subject: a" + b"\r\n " * 20000,
        b"Via: a, b\r\n" * 400,
        b"S" * 60000 + b": x",
        b"\t" * 60000 + b": x",
        b'From: "' + b"\\" * 60000,
    ],
)
def test_a_hostile_line_costs_about_what_a_plain_one_of_its_length_costs(line: bytes) -> None:
    """Quadratic work on 60,000 octets would cost thousands of times as much: a ratio, the best of some tries."""
    line = line.rstrip(b"\r\n")
    plain = b"\r\n".join([b"Subject: " + b"x" * 50] * (len(line) // 60))

    def cost(lines: bytes) -> float:
        start = time.thread_time()
        with contextlib.suppress(RemoteProtocolError):
            message: Message = parse_request(options(lines))
            _ = message.from_tag
        return time.thread_time() - start

    assert min(cost(line) for _ in range(5)) < 100 * min(cost(plain) for _ in range(5))


@pytest.mark.rfc(3261, "8.1.1")
@pytest.mark.parametrize("name", ["Via", "From", "To", "Call_ID", "CSeq"])
@pytest.mark.rule("T-40")
def test_a_request_needs_each_mandatory_header_once(name: str) -> None:
    whole = request()
    check_request(whole)
    for value in (None, ""):
        with pytest.raises(RemoteProtocolError, match="missing"):
            check_request(request(**{name: value}))
    if name != "Via":
        value = whole.headers[name.replace("_", "-")]
        with pytest.raises(RemoteProtocolError, match="more than one"):
            check_request(request(**{name: f"{value}\n{value}"}))


@pytest.mark.rfc(3261, "8.1.1")
@pytest.mark.parametrize("name", ["Max_Forwards", "Content_Type", "Expires"])
def test_a_request_has_other_single_headers_at_most_once(name: str) -> None:
    check_request(request(**{name: "1"}))
    with pytest.raises(RemoteProtocolError, match="more than one"):
        check_request(request(**{name: "1\n1"}))


@pytest.mark.rfc(3261, "8.1.1.5")
@pytest.mark.parametrize(
    "cseq", ["1 OPTIONS", "4294967296 INVITE", "INVITE", "1", "-1 INVITE", "1 INV ITE", "1 invite"]
)
def test_a_cseq_that_does_not_fit_is_refused(cseq: str) -> None:
    with pytest.raises(RemoteProtocolError):
        check_request(request(CSeq=cseq))


@pytest.mark.rfc(3261, "8.1.1.3")
def test_a_from_without_tag_is_taken_only_from_an_rfc_2543_peer() -> None:
    with pytest.raises(RemoteProtocolError, match="From without tag"):
        check_request(request(From="<sip:a@b>"))
    check_request(request(From="<sip:a@b>", Via="SIP/2.0/UDP 192.0.2.7"))


@pytest.mark.rfc(3261, "19.1.1")
@pytest.mark.parametrize(
    "uri", ["sip:a@b?Route=%3Csip:c%3E", "sip:2001:db8::10", "sip:a@b:99999", "sip:", "200"]
)
def test_a_request_uri_that_cannot_be_one_is_refused(uri: str) -> None:
    with pytest.raises(RemoteProtocolError):
        check_request(parse_request(request_bytes(uri=uri)))


@pytest.mark.rfc(4475, "3.3.2")
@pytest.mark.parametrize(
    "uri", ["nobodyKnowsThisScheme:totallyopaquecontent", "tel:+4930123", "sip:[2001:db8::10]"]
)
def test_a_request_uri_of_any_scheme_is_left_to_the_user(uri: str) -> None:
    check_request(parse_request(request_bytes(uri=uri)))


@pytest.mark.rfc(3261, "8.1.3.3")
@pytest.mark.parametrize("via", ["SIP/2.0/UDP a\nSIP/2.0/UDP b", "SIP/2.0/UDP a, SIP/2.0/UDP b"])
def test_a_response_with_a_second_via_is_not_ours(via: str) -> None:
    check_response(response(Via="SIP / 2.0 / UDP a ; branch=z"))
    with pytest.raises(RemoteProtocolError):
        check_response(response(Via=via))


@pytest.mark.parametrize("name", ["Via", "From", "To", "Call_ID", "CSeq"])
@pytest.mark.parametrize("value", [None, "", "a\nb"])
def test_a_response_needs_each_mandatory_header_once(name: str, value: str | None) -> None:
    check_response(response())
    with pytest.raises(RemoteProtocolError, match="missing or repeated"):
        check_response(response(**{name: value}))


@pytest.mark.parametrize(("value", "expected"), [(None, 70), ("0", 0), ("255", 255), ("0068", 68)])
def test_max_forwards_defaults_to_70(value: str | None, expected: int) -> None:
    assert request(Max_Forwards=value).max_forwards == expected


@pytest.mark.parametrize("value", ["256", "-1", "x", ""])
def test_a_malformed_max_forwards_is_refused_when_it_is_read(value: str) -> None:
    with pytest.raises(RemoteProtocolError):
        _ = request(Max_Forwards=value).max_forwards


@given(st.binary(max_size=200))
def test_any_body_of_any_length_comes_back(body: bytes) -> None:
    assert parse_request(request_bytes(body=body)).body == body


@given(st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]), max_size=60))
def test_any_text_in_a_header_comes_back(text: str) -> None:
    value = text.strip(" \t")
    assert parse_request(request_bytes(Subject=text)).headers["Subject"] == value
