"""Small messages for the tests of the SIP core, each header replaceable by name."""

from __future__ import annotations

from trunkline.proto.sip.message import Request, Response, parse_message

BRANCH = "z9hG4bK-1"
HEADERS = {
    "Via": f"SIP/2.0/UDP 192.0.2.7:5062;branch={BRANCH};rport",
    "Max-Forwards": "70",
    "From": '"Ann" <sip:100@example.com>;tag=f1',
    "To": "<sip:200@example.com>",
    "Call-ID": "c1@192.0.2.7",
    "Contact": "<sip:100@192.0.2.7:5062>",
}


def lines(headers: dict[str, str | None]) -> bytes:
    """Header lines, of which None ones are left out; a line feed in a value makes one line for each part."""
    pairs = [
        (name, part) for name, value in headers.items() if value is not None for part in value.split("\n")
    ]
    return "".join(f"{name}: {part}\r\n" for name, part in pairs).encode("utf-8", "surrogateescape")


def request_bytes(
    method: str = "INVITE",
    uri: str = "sip:200@example.com",
    cseq: int = 1,
    body: bytes = b"",
    start: str | None = None,
    **changed: str | None,
) -> bytes:
    """A request; ``changed`` names headers with "_" for "-", None leaves one out."""
    headers: dict[str, str | None] = {**HEADERS, "CSeq": f"{cseq} {method}"}
    headers.update({name.replace("_", "-"): value for name, value in changed.items()})
    headers.setdefault("Content-Length", str(len(body)))
    first = f"{method} {uri} SIP/2.0" if start is None else start
    return first.encode("utf-8", "surrogateescape") + b"\r\n" + lines(headers) + b"\r\n" + body


def response_bytes(
    status: int = 200,
    method: str = "INVITE",
    cseq: int = 1,
    to_tag: str | None = "t1",
    body: bytes = b"",
    branch: str = BRANCH,
    **changed: str | None,
) -> bytes:
    """A response to what ``request_bytes`` makes."""
    tag = "" if to_tag is None else f";tag={to_tag}"
    headers: dict[str, str | None] = {
        "Via": f"SIP/2.0/UDP 192.0.2.7:5062;branch={branch};rport",
        "From": HEADERS["From"],
        "To": HEADERS["To"] + tag,
        "Call-ID": HEADERS["Call-ID"],
        "CSeq": f"{cseq} {method}",
    }
    headers.update({name.replace("_", "-"): value for name, value in changed.items()})
    headers.setdefault("Content-Length", str(len(body)))
    return f"SIP/2.0 {status} Reason\r\n".encode() + lines(headers) + b"\r\n" + body


def request(method: str = "INVITE", /, **changed: str | None) -> Request:
    """What ``request_bytes`` makes, parsed; ``changed`` names headers alone."""
    message = parse_message(request_bytes(method, **changed))  # type: ignore[arg-type]  # header values only
    assert isinstance(message, Request)
    return message


def response(status: int = 200, method: str = "INVITE", /, **changed: str | None) -> Response:
    """What ``response_bytes`` makes, parsed; ``changed`` names headers alone."""
    message = parse_message(response_bytes(status, method, **changed))  # type: ignore[arg-type]  # header values
    assert isinstance(message, Response)
    return message
