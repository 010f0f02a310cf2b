"""Answers to requests that do not parse, where enough of them does (RFC 3261 §16.3 item 1: 400 Bad Request)."""

from __future__ import annotations

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.draft import render_response
from trunkline.proto.sip.header_names import canonical
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.via import stamp_via

_NEEDED = ("Via", "From", "To", "Call-ID", "CSeq")
_LIMIT = 16384


def answer_to_garbage(data: bytes, error: RemoteProtocolError, remote: tuple[str, int]) -> bytes | None:
    """A response with the error's status, or None when it cannot or must not be answered.

    ACKs and responses are never answered; nor is what lacks one of the headers that a response repeats.
    """
    head = data[:_LIMIT].partition(b"\r\n\r\n")[0].decode("utf-8", "surrogateescape")
    start, _, rest = head.partition("\r\n")
    method = start.partition(" ")[0]
    if not start or start.startswith("SIP/") or method == "ACK" or len(method) > 32:
        return None
    headers: dict[str, str] = {}
    for line in rest.replace("\r\n ", " ").replace("\r\n\t", " ").split("\r\n"):
        name, colon, value = line.partition(":")
        try:
            key = canonical(name)
        except RemoteProtocolError:
            continue
        if colon and (key == "Via" or key not in headers):
            value = " ".join(value.split())
            headers[key] = f"{headers[key]}\n{value}" if key in headers else value
    if any(not headers.get(name) for name in _NEEDED) or "\n" in headers["Call-ID"]:
        return None
    try:
        headers["Via"] = stamp_via(headers["Via"], remote[0], remote[1])
        request = Request(method, "sip:invalid", headers)
        return render_response(request, error.status, "bad", reason=_printable(error.reason))
    except RemoteProtocolError:
        return None


def _printable(reason: str) -> str:
    """One line of ASCII: the phrase goes into a status line."""
    return " ".join(reason.encode("ascii", "replace").decode().split())[:100]
