"""Answers to what does not parse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.proto.sip.samples import request_bytes, response_bytes
from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.message import Response, check_response, parse_message
from trunkline.proto.sip.salvage import answer_to_garbage

BAD = RemoteProtocolError("malformed Request-URI")
REMOTE = ("198.51.100.9", 40000)


def answer(data: bytes, error: RemoteProtocolError = BAD) -> Response | None:
    reply = answer_to_garbage(data, error, REMOTE)
    if reply is None:
        return None
    message = parse_message(reply)
    assert isinstance(message, Response)
    return message


@pytest.mark.rfc(3261, "8.2.6")
def test_the_answer_says_what_was_wrong_and_goes_to_where_it_came_from() -> None:
    reply = answer(request_bytes(start="INVITE <sip:x> SIP/2.0"))
    assert reply is not None
    check_response(reply)
    assert (reply.status, reply.reason) == (400, "malformed Request-URI")
    assert reply.via.params["received"] == "198.51.100.9"
    assert reply.via.params["rport"] == "40000"
    assert reply.cseq == (1, "INVITE")
    assert reply.to_tag is not None


@pytest.mark.rfc(3261, "21.5.6")
def test_the_answer_has_the_status_of_the_error() -> None:
    reply = answer(request_bytes(start="INVITE sip:x SIP/7.0"), RemoteProtocolError("only SIP/2.0", 505))
    assert reply is not None
    assert reply.status == 505


@pytest.mark.rfc(3261, "8.2.7")
def test_a_repetition_gets_the_same_answer() -> None:
    data = request_bytes(start="INVITE x SIP/2.0")
    assert answer_to_garbage(data, BAD, REMOTE) == answer_to_garbage(data, BAD, REMOTE)


@pytest.mark.rule("T-05")
@pytest.mark.parametrize(
    "start", ["ACK sip:x SIP/2.0", "ACK  x", "ACK", " ACK sip:x SIP/2.0", "ACK\tsip:x SIP/2.0"]
)
def test_an_ack_is_never_answered(start: str) -> None:
    assert answer(request_bytes("ACK", start=start)) is None
    assert answer(request_bytes("ACK", start=start, CSeq="1 INVITE")) is None or not start.startswith("ACK")
    assert answer(request_bytes("ACK", start="IN<ITE sip:x SIP/2.0")) is None


@pytest.mark.rfc(3261, "8.2.6")
@pytest.mark.parametrize(
    "start", ["SIP/2.0 200 OK", "SIP/7.0 200 OK", "sip/2.0 x", "SIP/2.0", " SIP/2.0 200 OK", "SIP/"]
)
def test_a_response_is_never_answered(start: str) -> None:
    assert answer(response_bytes().replace(b"SIP/2.0 200 Reason", start.encode(), 1)) is None


@pytest.mark.parametrize(
    "data", [b"", b"\r\n", b"\r\n\r\n", b"\x00" * 100, b"\xff\xfe", b"OPTIONS sip:a SIP/2.0"]
)
def test_noise_is_not_answered(data: bytes) -> None:
    assert answer(data) is None


@pytest.mark.parametrize("name", ["Via", "CSeq"])
def test_what_nobody_could_match_is_not_answered(name: str) -> None:
    assert answer(request_bytes(**{name: None})) is None  # type: ignore[arg-type]  # a header
    assert answer(request_bytes(**{name: ""})) is None  # type: ignore[arg-type]  # a header


@pytest.mark.parametrize("cseq", ["\x0b", "\x1c \x85", "\u2003", "\n", "\r"])
def test_a_cseq_of_nothing_but_white_space_harms_nobody(cseq: str) -> None:
    data = request_bytes(CSeq="place").replace(b"place", cseq.encode())
    reply = answer(data)
    assert reply is None or set(reply.headers) == {"Via", "From", "To", "Call-ID", "CSeq", "Content-Length"}


@pytest.mark.rfc(4475, "3.3.1")
def test_headers_that_are_missing_stay_missing() -> None:
    reply = answer(request_bytes(From=None, To=None, Call_ID=None))
    assert reply is not None
    assert set(reply.headers) == {"Via", "CSeq", "Content-Length"}


@pytest.mark.rfc(4475, "3.3.8")
def test_of_headers_that_stand_twice_the_first_is_repeated() -> None:
    reply = answer(request_bytes(Call_ID="one\ntwo", To="<sip:a>\n<sip:b>", CSeq="1 INVITE\n2 INVITE"))
    assert reply is not None
    assert (reply.call_id, reply.cseq[0], reply.headers["To"]) == ("one", 1, "<sip:a>;tag=bad")


@pytest.mark.rfc(4475, "3.1.2.1")
def test_a_malformed_via_is_repeated_as_it_came() -> None:
    reply = answer(request_bytes(Via="SIP/2.0/UDP 192.0.2.15;;,;,,"))
    assert reply is not None
    assert reply.headers["Via"] == "SIP/2.0/UDP 192.0.2.15;;,;,,"


@pytest.mark.rfc(3261, "8.2.6.2")
@pytest.mark.parametrize("to", ["<sip:a@b>;tag=1", "<sip:a@b> ; TAG = 1", '"unclosed <sip:a@b>;tag=1'])
def test_a_tag_that_is_there_stays(to: str) -> None:
    reply = answer(request_bytes(To=to))
    assert reply is not None
    assert reply.headers["To"] == to


def test_all_vias_and_folded_lines_are_repeated() -> None:
    via = "SIP/2.0/UDP a;branch=z9hG4bK1\nSIP/2.0/UDP b\nSIP/2.0/UDP\r\n c"
    reply = answer(
        request_bytes(Via=via.replace("\nSIP/2.0/UDP\r\n c", "")).replace(
            b"\r\nFrom", b"\r\nv: SIP/2.0/UDP\r\n c\r\nFrom"
        )
    )
    assert reply is not None
    assert reply.values("Via")[1:] == ["SIP/2.0/UDP b", "SIP/2.0/UDP c"]


@given(data=st.binary(max_size=400), reason=st.text(max_size=150), status=st.integers(400, 699))
def test_it_never_raises(data: bytes, reason: str, status: int) -> None:
    for mixed in (
        data,
        request_bytes().replace(b"c1@", data),
        data + request_bytes(),
        request_bytes(start="X") + data,
    ):
        reply = answer_to_garbage(mixed, RemoteProtocolError(reason, status), REMOTE)
        if reply is not None:
            head = reply.partition(b"\r\n\r\n")[0]
            names = {line.partition(b":")[0] for line in head.split(b"\r\n")[1:]}
            assert names <= {b"Via", b"From", b"To", b"Call-ID", b"CSeq", b"Content-Length"}
            assert head.count(b"\n") == head.count(b"\r") == head.count(b"\r\n")
