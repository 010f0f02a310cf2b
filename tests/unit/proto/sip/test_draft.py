"""Messages on their way out, and that no value makes a header line of its own."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.unit.proto.sip.samples import HEADERS, request, request_bytes
from trunkline.base.errors import LocalProtocolError, RemoteProtocolError
from trunkline.proto.sip.draft import Draft, header_lines, render_response
from trunkline.proto.sip.message import Message, Request, Response, check_request, parse_message

VIA = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx;rport"


def draft(method: str = "INVITE", /, **rest: object) -> Draft:
    arguments: dict[str, object] = {
        "uri": "sip:200@192.0.2.9",
        "from_": "<sip:100@example.com>;tag=f1",
        "to": "<sip:200@example.com>",
        "call_id": "c1",
        "cseq": 7,
        **rest,
    }
    return Draft(method, **arguments)  # type: ignore[arg-type]  # the names above fit


def parsed(data: bytes) -> Message:
    message = parse_message(data)
    assert f"Content-Length: {len(message.body)}\r\n".encode() in data
    return message


@pytest.mark.rfc(3261, "8.1.1")
def test_a_request_goes_out_with_all_it_needs() -> None:
    data = draft(
        route="Route: <sip:a;lr>\r\nRoute: <sip:b;lr>\r\n",
        contact="<sip:100@192.0.2.1>",
        extra="Subject: x\r\n",
        body=b"v=0\r\n",
        max_forwards=12,
    ).render(VIA)
    message = parsed(data)
    assert isinstance(message, Request)
    check_request(message)
    assert (message.method, message.uri, message.body) == ("INVITE", "sip:200@192.0.2.9", b"v=0\r\n")
    assert message.headers == {
        "Via": VIA,
        "Max-Forwards": "12",
        "Route": "<sip:a;lr>\n<sip:b;lr>",
        "From": "<sip:100@example.com>;tag=f1",
        "To": "<sip:200@example.com>",
        "Call-ID": "c1",
        "CSeq": "7 INVITE",
        "Contact": "<sip:100@192.0.2.1>",
        "Subject": "x",
        "Content-Type": "application/sdp",
        "Content-Length": "5",
    }


def test_a_request_without_body_names_no_content_type() -> None:
    message = parsed(draft("BYE").render(VIA))
    assert "Content-Type" not in message.headers
    assert "Contact" not in message.headers
    assert message.body == b""


@pytest.mark.rfc(3261, "9.1")
def test_a_cancel_repeats_uri_via_route_from_to_call_id_and_number_of_its_invite() -> None:
    invite = draft(route="Route: <sip:a;lr>\r\n", contact="<sip:c>", body=b"v=0", extra="Subject: x\r\n")
    cancel = parsed(invite.render_cancel(VIA, 'Reason: SIP;cause=200;text="elsewhere"\r\n'))
    assert isinstance(cancel, Request)
    assert (cancel.method, cancel.uri) == ("CANCEL", invite.uri)
    assert cancel.headers == {
        "Via": VIA,
        "Max-Forwards": "70",
        "Route": "<sip:a;lr>",
        "From": invite.from_,
        "To": invite.to,
        "Call-ID": "c1",
        "CSeq": "7 CANCEL",
        "Reason": 'SIP;cause=200;text="elsewhere"',
        "Content-Length": "0",
    }


@pytest.mark.rfc(3261, "17.1.1.3")
def test_the_ack_of_a_failure_has_the_to_of_the_response_and_the_rest_of_the_invite() -> None:
    invite = draft(route="Route: <sip:a;lr>\r\n", contact="<sip:c>", body=b"v=0")
    ack = parsed(invite.render_ack(VIA, "<sip:200@example.com>;tag=t9"))
    assert isinstance(ack, Request)
    assert (ack.method, ack.uri, ack.body) == ("ACK", invite.uri, b"")
    assert (ack.headers["Via"], ack.headers["To"], ack.headers["CSeq"], ack.headers["Route"]) == (
        VIA,
        "<sip:200@example.com>;tag=t9",
        "7 ACK",
        "<sip:a;lr>",
    )


@pytest.mark.rfc(3261, "9.1")
def test_only_an_invite_is_cancelled_or_acknowledged() -> None:
    with pytest.raises(LocalProtocolError):
        draft("REGISTER").render_cancel(VIA)
    with pytest.raises(LocalProtocolError):
        draft("REGISTER").render_ack(VIA, "<sip:x>")


@pytest.mark.rfc(3261, "8.2.6.2")
def test_a_response_repeats_vias_in_order_from_call_id_and_cseq() -> None:
    invite = request(Via="SIP/2.0/UDP a;branch=z9hG4bK1\nSIP/2.0/UDP b, SIP/2.0/UDP c")
    answer = parsed(render_response(invite, 180, "t1", extra="Contact: <sip:x>\r\n"))
    assert isinstance(answer, Response)
    assert (answer.status, answer.reason) == (180, "Ringing")
    assert answer.headers == {
        "Via": "SIP/2.0/UDP a;branch=z9hG4bK1\nSIP/2.0/UDP b, SIP/2.0/UDP c",
        "From": HEADERS["From"],
        "To": f"{HEADERS['To']};tag=t1",
        "Call-ID": HEADERS["Call-ID"],
        "CSeq": "1 INVITE",
        "Contact": "<sip:x>",
        "Content-Length": "0",
    }


@pytest.mark.rfc(3261, "8.2.6.2")
@pytest.mark.parametrize("to", ["<sip:a@b>;tag=old", "sip:a@b;tag=old", "<sip:a@b> ; TAG = old"])
def test_a_to_tag_that_is_there_stays(to: str) -> None:
    answer = parsed(render_response(request(To=to), 200, "new"))
    assert answer.headers["To"] == to
    assert answer.to_tag == "old"


@pytest.mark.rfc(3261, "8.2.6.2")
def test_a_100_gets_no_to_tag() -> None:
    assert parsed(render_response(request(), 100)).to_tag is None


def test_a_response_may_carry_a_reason_and_a_body_of_its_own() -> None:
    data = render_response(
        request(), 488, "t", reason="No common codec", body=b"x", content_type="text/plain"
    )
    answer = parsed(data)
    assert isinstance(answer, Response)
    assert (answer.reason, answer.body, answer.headers["Content-Type"]) == (
        "No common codec",
        b"x",
        "text/plain",
    )


@pytest.mark.parametrize("breaks", ["\r\nX-Evil: 1", "\nX-Evil: 1", "\rX-Evil: 1", "\n", "\r", "\r\n"])
class TestLineBreaks:
    @pytest.mark.parametrize("field", ["uri", "from_", "to", "call_id", "contact", "content_type"])
    def test_no_value_of_a_request_is_sent_with_one(self, breaks: str, field: str) -> None:
        with pytest.raises(LocalProtocolError):
            draft(body=b"x", **{field: f"<sip:a@b>{breaks}"}).render(VIA)

    def test_no_via_is_sent_with_one(self, breaks: str) -> None:
        for render in (draft().render, draft().render_cancel, lambda via: draft().render_ack(via, "<sip:x>")):
            with pytest.raises(LocalProtocolError):
                render(VIA + breaks)

    @pytest.mark.parametrize("name", ["From", "Call-ID", "CSeq", "To"])
    def test_no_response_repeats_one(self, breaks: str, name: str) -> None:
        invite = request(To="<sip:200@example.com>;tag=t0")
        assert invite.to_tag == "t0"
        invite.headers[name] += breaks
        with pytest.raises(LocalProtocolError):
            render_response(invite, 200, "t")

    def test_no_content_type_of_a_response_holds_one(self, breaks: str) -> None:
        with pytest.raises(LocalProtocolError):
            render_response(request(), 200, "t", body=b"x", content_type="a/b" + breaks)

    def test_a_reason_phrase_is_made_one_line(self, breaks: str) -> None:
        answer = parsed(render_response(request(), 400, "t", reason=f"bad{breaks}"))
        assert isinstance(answer, Response)
        assert answer.reason == " ".join(f"bad{breaks}".split())
        assert "X-Evil" not in answer.headers

    def test_a_header_that_is_passed_on_becomes_lines_of_its_own_name_only(self, breaks: str) -> None:
        if "\r" in breaks:
            with pytest.raises(LocalProtocolError):
                header_lines("Subject", f"a{breaks}")
        else:
            assert all(
                line.startswith("Subject: ")
                for line in header_lines("Subject", f"a{breaks}").split("\r\n")[:-1]
            )


def test_passed_on_values_stand_each_on_its_line() -> None:
    assert header_lines("Route", "<sip:a>\n<sip:b>") == "Route: <sip:a>\r\nRoute: <sip:b>\r\n"
    assert header_lines("Route", None) == ""


# Pieces that a peer could hope to break out with; the parser sees them raw, between two header names.
PIECES = [
    "\r\n",
    "\r",
    "\n",
    " ",
    "\t",
    "X-Evil: 1",
    "\x00",
    '"',
    "<sip:a@b>",
    ";tag=x",
    ",",
    "\x85",
    "\u2028",
    "\x0b",
    "\x1c",
]
NASTY = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=6).map("".join)
EXPECTED = {"Via", "From", "To", "Call-ID", "CSeq", "Content-Length"}


@pytest.mark.rfc(3261, "7.3.1")
@given(
    name=st.sampled_from(["Via", "From", "To", "Call_ID", "CSeq", "Max_Forwards"]),
    nasty=NASTY,
    end=st.booleans(),
)
def test_whatever_a_peer_writes_its_response_has_only_the_headers_we_wrote(
    name: str, nasty: str, end: bool
) -> None:
    good = HEADERS.get(name.replace("_", "-"), "1 INVITE")
    data = request_bytes(**{name: good + nasty if end else nasty + good})  # type: ignore[arg-type]  # header values
    try:
        message = parse_message(data)
        assert isinstance(message, Request)
        check_request(message)
        answer = parse_message(render_response(message, 404, "t1"))
    except (RemoteProtocolError, UnicodeEncodeError) as error:
        assume(isinstance(error, RemoteProtocolError))
        return
    assert set(answer.headers) == EXPECTED
    for repeated in ("From", "Call-ID", "CSeq", "Via"):
        assert answer.headers[repeated] == message.headers[repeated]
