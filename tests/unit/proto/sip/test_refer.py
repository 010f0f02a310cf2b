"""What a REFER asks for, and the status lines that tell how it went."""

from __future__ import annotations

import pytest

from tests.unit.proto.sip.samples import request, request_bytes
from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.dialog_names import DialogName
from trunkline.proto.sip.message import Request, parse_message
from trunkline.proto.sip.refer import fragment, parse_refer, status_of_fragment


@pytest.mark.rfc("3515", "2.1")
@pytest.mark.parametrize(
    "value", ["<sip:alice@example.com>", "sip:alice@example.com", '"Alice, A." <sip:alice@example.com>']
)
def test_one_uri(value: str) -> None:
    referral = parse_refer(request("REFER", Refer_To=value))
    assert referral.uri.user == "alice"
    assert referral.replaces is None
    assert not referral.is_silent


@pytest.mark.rfc("5589", "7.1")
@pytest.mark.rfc("3891", "6.1")
def test_a_dialog_to_replace_is_unescaped_from_the_uri() -> None:
    uri = (
        "sip:carol@example.com?Subject=x&REPLACES=90210%40biloxi%3Bto-tag%3Dp%2B1%3Bfrom-tag%3Dq%3Bearly-only"
    )
    referral = parse_refer(request("REFER", Refer_To=f"<{uri}>", Referred_By="<sip:bob@example.com>"))
    assert referral.replaces == DialogName("90210@biloxi", "p+1", "q", early_only=True)
    assert referral.referrer == "sip:bob@example.com"


@pytest.mark.rfc("4488", "4")
@pytest.mark.parametrize(("value", "silent"), [("false", True), ("FALSE ;x=1", True), ("true", False)])
def test_who_wants_no_notify_says_so(value: str, silent: bool) -> None:
    assert parse_refer(request("REFER", Refer_To="<sip:a@b>", Refer_Sub=value)).is_silent is silent


@pytest.mark.rfc("3515", "2.4.2")
@pytest.mark.parametrize(
    ("value", "status"),
    [
        (None, 400),
        ("<sip:a@b>, <sip:c@d>", 400),
        ("<sip:a@b>\n<sip:c@d>", 400),
        ("<sip:a@b", 400),
        ("<sip:a@b?Replaces=x>", 400),
        ("<sip:a@b?Replaces=x%3Bto-tag%3Da%3Bfrom-tag%3Db&Replaces=y>", 400),
        ("<sip:a@b?Replaces=%GG>", 400),
        ("<tel:+4930>", 416),
        ("<http://example.com>", 416),
        ("<sip:a@b;method=SUBSCRIBE>", 501),
    ],
)
def test_what_an_exchange_cannot_be_asked(value: str | None, status: int) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_refer(request("REFER", Refer_To=value))
    assert caught.value.status == status


@pytest.mark.rfc("3420", "2.1")
def test_a_fragment_is_one_status_line() -> None:
    assert fragment(180) == b"SIP/2.0 180 Ringing\r\n"
    assert fragment(486, "Gone\r\nVia: x") == b"SIP/2.0 486 Gone Via: x\r\n"


@pytest.mark.rfc("3515", "2.4.5")
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"SIP/2.0 200 OK\r\n", 200),
        (b"SIP/2.0 100 Trying", 100),
        (b"sip/2.0 603 Decline\r\nX: y\r\n", 603),
        (b"", 100),
    ],
)
def test_the_status_that_a_notify_tells(body: bytes, status: int) -> None:
    assert status_of_fragment(_notify(body, "message/sipfrag;version=2.0")) == status


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"SIP/2.0 200 OK", "text/plain", 415),
        (b"SIP/2.0", "message/sipfrag", 400),
        (b"SIP/2.0 20", "message/sipfrag", 400),
        (b"SIP/2.0 999 Odd", "message/sipfrag", 400),
        (b"HTTP/1.1 200 OK", "message/sipfrag", 400),
        (b"\xff\xfe", "Message/Sipfrag", 400),
    ],
)
def test_a_notify_that_tells_none_is_refused(body: bytes, kind: str, status: int) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        status_of_fragment(_notify(body, kind))
    assert refused.value.status == status


def _notify(body: bytes, kind: str) -> Request:
    message = parse_message(request_bytes("NOTIFY", body=body, Content_Type=kind))
    assert isinstance(message, Request)
    return message
