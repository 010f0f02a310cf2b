"""What crosses the exchange."""

from __future__ import annotations

import pytest

from trunkline.call.headers import MAX_BLOCK, crossing, description_of, reason_of
from trunkline.call.party import Party
from trunkline.proto.sip.message import Request


def request(**headers: str) -> Request:
    return Request(
        "INVITE", "sip:x@pbx.test", {name.replace("_", "-"): value for name, value in headers.items()}
    )


def test_allowed_headers_cross_line_by_line() -> None:
    lines = crossing(request(Subject="lunch", Reason="SIP;cause=200\nQ.850;cause=16", From="<sip:a@b>"))
    assert lines == "Subject: lunch\r\nReason: SIP;cause=200\r\nReason: Q.850;cause=16\r\n"


@pytest.mark.parametrize(
    ("kind", "is_description"),
    [
        (None, True),
        ("application/sdp", True),
        ("Application/SDP; charset=utf-8", True),
        ("text/plain", False),
        ("multipart/mixed;boundary=x", False),
    ],
)
def test_only_sdp_is_taken_for_a_description(kind: str | None, is_description: bool) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    assert description_of(Request("INVITE", "sip:x", headers, b"v=0")) == (b"v=0" if is_description else b"")


def test_a_packed_description_is_none() -> None:
    headers = {"Content-Type": "application/sdp", "Content-Encoding": "gzip"}
    assert description_of(Request("INVITE", "sip:x", headers, b"v=0")) == b""


@pytest.mark.rule("T-33")
@pytest.mark.parametrize(
    "name", ["Authorization", "Proxy_Authorization", "P_Asserted_Identity", "Route", "Via"]
)
def test_others_do_not(name: str) -> None:
    assert crossing(request(**{name: "secret"})) == ""


def test_too_much_of_them_crosses_not_at_all() -> None:
    assert crossing(request(Subject="x" * MAX_BLOCK)) == ""


def test_a_reason_of_sane_length_is_repeated() -> None:
    assert reason_of(request(Reason="SIP;cause=200")) == "SIP;cause=200"
    assert reason_of(request(Reason="x" * 257)) is None
    assert reason_of(request()) is None
    assert reason_of(None) is None


def test_a_party_is_written_so_that_nothing_of_it_becomes_syntax() -> None:
    party = Party("10 <1>", "pbx.test", 'Jo "the" \\ Doe')
    assert party.uri == "sip:10%20%3C1%3E@pbx.test"
    assert party.name_addr == f'"Jo \\"the\\" \\\\ Doe" <{party.uri}>'
    assert Party("1", "pbx.test").name_addr == "<sip:1@pbx.test>"
