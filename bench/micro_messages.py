"""Typical messages for the warm loops, of the size that desk phones send."""

from collections.abc import Iterator
from itertools import cycle

from trunkline.proto.sip.digest import digest_response

VARIANTS = 5000
"""More than any table of the server's keeps."""
BRANCH = "z9hG4bK-524287-1---8f1d2e6a"

SDP = (
    "v=0\r\no=- 3894 3894 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"
    "m=audio 11780 RTP/AVP 9 0 8 101\r\n"
    "a=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
)


def _message(start: str, cseq: str, *extra: str, to_tag: str = "", body: str = "") -> bytes:
    lines = [
        start,
        f"Via: SIP/2.0/UDP 192.0.2.7:5062;branch={BRANCH};rport",
        "Max-Forwards: 70",
        "Contact: <sip:100@192.0.2.7:5062;transport=udp>",
        f'To: "Reception" <sip:200@bench.test>{to_tag}',
        'From: "Front desk" <sip:100@bench.test>;tag=5f3c7a11',
        "Call-ID: 7Zy1hM2QpQ0c5n3bVtVb7g..",
        f"CSeq: {cseq}",
        "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, MESSAGE, REFER, INFO, UPDATE, PRACK",
        "Supported: replaces, outbound, path, timer",
        "User-Agent: Desk phone 4.2",
        *extra,
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", body]).encode()


AUTHORIZATION = (
    'Digest username="100", realm="bench.test", nonce="0a1b2c3d4e5f60718293a4b5c6d7e8f9", '
    'uri="sip:bench.test", response="6629fae49393a05397450978507c4ef1", algorithm=MD5, '
    'cnonce="f2a7c0de", nc=00000001, qop=auth'
)
MESSAGES = {
    "REGISTER": _message(
        "REGISTER sip:bench.test SIP/2.0", "2 REGISTER", f"Authorization: {AUTHORIZATION}", "Expires: 3600"
    ),
    "INVITE": _message(
        "INVITE sip:200@bench.test SIP/2.0", "2 INVITE", "Content-Type: application/sdp", body=SDP
    ),
    "200 to INVITE": _message(
        "SIP/2.0 200 OK", "2 INVITE", "Content-Type: application/sdp", to_tag=";tag=9ab0", body=SDP
    ),
    "BYE": _message("BYE sip:100@192.0.2.7:5062 SIP/2.0", "3 BYE", to_tag=";tag=9ab0"),
}


def varied(message: bytes) -> Iterator[bytes]:
    """The message with ever other branches and Call-IDs."""
    return cycle(
        [
            message.replace(b"8f1d2e6a", b"%08x" % index).replace(b"7Zy1hM2Q", b"%08x" % index)
            for index in range(VARIANTS)
        ]
    )


def varied_sdp() -> Iterator[str]:
    """The description with ever other sessions and ports."""
    return cycle(
        [SDP.replace("3894", str(3894 + n)).replace("11780", str(11780 + n)) for n in range(VARIANTS)]
    )


def varied_credentials(nonce: str, ha1: str) -> Iterator[str]:
    """Right answers of one phone to one nonce, with ever other client nonces."""
    return cycle([_credentials(nonce, ha1, f"{index:08x}") for index in range(VARIANTS)])


def _credentials(nonce: str, ha1: str, cnonce: str) -> str:
    uri = "sip:bench.test"
    response = digest_response("MD5", ha1, nonce, "REGISTER", uri, qop="auth", nc="00000001", cnonce=cnonce)
    return (
        f'Digest username="100", realm="bench.test", nonce="{nonce}", uri="{uri}", '
        f'response="{response}", algorithm=MD5, cnonce="{cnonce}", nc=00000001, qop=auth'
    )
