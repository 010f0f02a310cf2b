"""No secret leaves in a trace, and every length stays as it was."""

from __future__ import annotations

import pytest

from tests.unit.app.trace.samples import SDP, sip
from trunkline.app.trace.covering import covered

RESPONSE = "6629fae49393a05397450978507c4ef1"
DIGEST = (
    f'Digest username="1001", realm="pbx.test", nonce="n1", uri="sip:b", response="{RESPONSE}", nc=00000001'
)


@pytest.mark.parametrize(
    "header",
    [
        f"Authorization: {DIGEST}",
        f"proxy-authorization : {DIGEST}",
        f"AUTHORIZATION: {DIGEST.replace('response=', 'RESPONSE = ')}",
        f'Authorization: Digest username="1001",\r\n  response="{RESPONSE}"',
        f"Authorization: Digest response={RESPONSE}",
        f'Authentication-Info: qop=auth, rspauth="{RESPONSE}"',
        f"Authorization: Bearer {RESPONSE}",
        f"Authorization: {RESPONSE}",
    ],
)
def test_credentials_are_covered_byte_by_byte(header: str) -> None:
    data = sip("REGISTER sip:pbx.test SIP/2.0", header, cseq="1 REGISTER").encode()
    shown = covered(data)
    assert RESPONSE.encode() not in shown
    assert b"x" * len(RESPONSE) in shown
    assert len(shown) == len(data)


def test_what_is_no_secret_of_the_credentials_stays() -> None:
    shown = covered(sip("REGISTER sip:a SIP/2.0", f"Authorization: {DIGEST}").encode())
    for kept in (b'username="1001"', b'realm="pbx.test"', b'nonce="n1"', b"nc=00000001", b'uri="sip:b"'):
        assert kept in shown


def test_keys_in_a_session_description_are_covered() -> None:
    body = f"{SDP}a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEYKEYKEY|2^20\r\na=ice-pwd:SECRET\r\nk=clear:SECRET\r\n"
    data = sip("INVITE sip:b SIP/2.0", "Content-Type: application/sdp", body=body).encode()
    shown = covered(data)
    assert b"KEYKEY" not in shown
    assert b"SECRET" not in shown
    assert b"inline:xxxxxxxxx|2^20" in shown
    assert SDP.encode() in shown
    assert len(shown) == len(data)


@pytest.mark.rule("T-24")
def test_each_of_several_keys_in_a_row_is_covered() -> None:
    row = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEYKEY|2^20|1:4;inline:KEYKEY|2^20|2:4 WSH=64\r\n"
    data = sip("INVITE sip:b SIP/2.0", "Content-Type: application/sdp", body=SDP + row).encode()
    shown = covered(data)
    assert b"KEYKEY" not in shown
    assert b"inline:xxxxxx|2^20|1:4;inline:xxxxxx|2^20|2:4 WSH=64" in shown
    assert len(shown) == len(data)


@pytest.mark.parametrize(
    ("method", "kind"),
    [("MESSAGE", "text/plain"), ("INFO", "application/dtmf-relay"), ("MESSAGE", "message/cpim")],
)
def test_texts_and_key_presses_are_covered_unless_bodies_are_asked_for(method: str, kind: str) -> None:
    data = sip(f"{method} sip:b SIP/2.0", f"Content-Type: {kind}", body="Signal=5").encode()
    assert covered(data).endswith(b"\r\n\r\nxxxxxxxx")
    assert covered(data, bodies=True) == data


def test_an_ordinary_message_is_left_as_it_is() -> None:
    data = sip("INVITE sip:b SIP/2.0", "Content-Type: application/sdp", body=SDP).encode()
    assert covered(data) == data
    assert covered(b"\xff\x00 no SIP at all") == b"\xff\x00 no SIP at all"
