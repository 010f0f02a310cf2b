"""A call of 1001 to 1002, as the exchange at 192.0.2.1 sees it."""

from __future__ import annotations

from trunkline.base.messages import TracedMessage

EXCHANGE = "192.0.2.1:5060"
CALLER = "192.0.2.10:5062"
CALLEE = "192.0.2.20:5064"
SDP = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)


def sip(start: str, *headers: str, cseq: str = "1 INVITE", call_id: str = "a1", body: str = "") -> str:
    """A whole message from 1001 to 1002, with what every message has."""
    lines = [
        start,
        "Via: SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bK1",
        "From: <sip:1001@pbx.test>;tag=1",
        "To: <sip:1002@pbx.test>",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq}",
        *headers,
        f"Content-Length: {len(body.encode())}",
    ]
    return "\r\n".join(lines) + "\r\n\r\n" + body


def traced(
    data: str,
    remote: str = CALLER,
    *,
    at: float = 1_790_000_000.0,
    incoming: bool = True,
    transport: str = "UDP",
    local: str = EXCHANGE,
    call: str = "a1",
) -> TracedMessage:
    return TracedMessage(at, incoming, transport, local, remote, call, data.encode().decode("latin-1"))


INVITE = sip("INVITE sip:1002@pbx.test SIP/2.0", "Content-Type: application/sdp", body=SDP)
CALL = (
    traced(INVITE),
    traced(sip("SIP/2.0 100 Trying"), at=1_790_000_000.001, incoming=False),
    traced(
        sip("INVITE sip:1002@192.0.2.20 SIP/2.0", call_id="b1"),
        CALLEE,
        at=1_790_000_000.002,
        incoming=False,
        call="b1",
    ),
    traced(sip("SIP/2.0 486 Busy Here", call_id="b1"), CALLEE, at=1_790_000_000.5, call="b1"),
    traced(sip("SIP/2.0 486 Busy Here"), at=1_790_000_000.501, incoming=False),
)
