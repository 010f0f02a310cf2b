"""What stands on an arrow and beside it."""

from __future__ import annotations

import pytest

from tests.unit.app.trace.samples import INVITE, SDP, sip
from trunkline.app.trace.facts import facts_of


def test_a_request_is_its_method_with_target_and_streams() -> None:
    facts = facts_of(INVITE.encode())
    assert (facts.label, facts.status, facts.method) == ("INVITE", 0, "INVITE")
    assert (facts.sender, facts.target) == ("1001", "1002")
    assert facts.notes == ("CSeq 1", "sip:1002@pbx.test", "audio 192.0.2.10:4000 PCMA/PCMU/DTMF")


def test_a_response_is_its_status_and_names_what_it_answers() -> None:
    facts = facts_of(sip("SIP/2.0 486 Busy Here", "Retry-After: 30").encode())
    assert (facts.label, facts.status) == ("486 Busy Here", 486)
    assert facts.notes == ("CSeq 1 INVITE", "retry after 30")


@pytest.mark.parametrize(
    ("message", "note"),
    [
        (sip("SIP/2.0 401 Unauthorized", 'WWW-Authenticate: Digest realm="a", nonce="b"'), "challenge"),
        (
            sip("SIP/2.0 407 x", 'Proxy-Authenticate: Digest realm="a", stale=TRUE'),
            "challenge, nonce stale",
        ),
        (sip("INVITE sip:b SIP/2.0", "Authorization: Digest a=b"), "with credentials"),
        (sip("BYE sip:b SIP/2.0", "Reason: Q.850;cause=16", cseq="2 BYE"), "Q.850;cause=16"),
        (sip("REGISTER sip:b SIP/2.0", "Contact: <sip:a@b>", cseq="1 REGISTER"), "contact <sip:a@b>"),
        (sip("REGISTER sip:b SIP/2.0", "Expires: 0", cseq="1 REGISTER"), "expires 0"),
        (sip("MESSAGE sip:b SIP/2.0", "Content-Type: text/plain", cseq="1 MESSAGE", body="hi"), "text/plain, 2 bytes"),
    ],
)  # fmt: skip
def test_what_matters_of_a_message_is_noted(message: str, note: str) -> None:
    assert note in facts_of(message.encode()).notes


@pytest.mark.parametrize(
    ("body", "note"),
    [
        (SDP + "a=sendonly\r\n", "audio 192.0.2.10:4000 PCMA/PCMU/DTMF sendonly"),
        (SDP.replace("audio 4000", "audio 0"), "audio rejected"),
        (SDP.replace("RTP/AVP", "RTP/SAVP"), "audio 192.0.2.10:4000 RTP/SAVP PCMA/PCMU/DTMF"),
        ("v=0\r\nm=audio x\r\n", "SDP: media line is"),
    ],
)
def test_each_stream_of_a_description_is_noted(body: str, note: str) -> None:
    facts = facts_of(sip("INVITE sip:b SIP/2.0", "Content-Type: application/sdp", body=body).encode())
    assert facts.notes[-1].startswith(note)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", b"INVITE sip:b SIP/2.0\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"]
)
def test_what_cannot_be_read_is_said_to_be_so(data: bytes) -> None:
    assert facts_of(data).label == "unreadable"
