"""Answers to requests that do not parse, where enough of them does (RFC 3261 §16.3 item 1)."""

from __future__ import annotations

from contextlib import suppress

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.header_names import canonical
from trunkline.proto.sip.message import MAX_HEAD
from trunkline.proto.sip.reasons import reason_phrase
from trunkline.proto.sip.via import stamp_via

# The headers that a response repeats (RFC 3261 §8.2.6.2), in the order we write them.
_REPEATED = ("Via", "From", "To", "Call-ID", "CSeq")


def answer_to_garbage(data: bytes, error: RemoteProtocolError, remote: tuple[str, int]) -> bytes | None:
    """A response with the error's status, or None when it cannot or must not be answered.

    ACKs and responses are never answered. Via and CSeq are what a client matches a response by: without them
    nothing is sent; the other headers are repeated as far as they are there (RFC 4475 §3.3.1).
    """
    head = data[:MAX_HEAD].partition(b"\r\n\r\n")[0].decode("utf-8", "surrogateescape")
    start, _, rest = head.partition("\r\n")
    words = start.split(maxsplit=1)
    if not words or words[0] == "ACK" or words[0][:4].upper() == "SIP/":
        return None
    headers = _collect(rest)
    if not headers.get("Via") or not headers.get("CSeq") or "ACK" in headers["CSeq"].split():
        return None
    # The Via may be what is wrong (RFC 4475 §3.1.2.1, §3.1.2.16); the answer goes back where it came from.
    with suppress(RemoteProtocolError):
        headers["Via"] = stamp_via(headers["Via"], remote[0], remote[1])
    return _render(error, headers)


def _collect(lines: str) -> dict[str, str]:
    """The first of each header that a response repeats, and all Vias; each is one line, whatever it held."""
    headers: dict[str, str] = {}
    for line in lines.replace("\r\n ", " ").replace("\r\n\t", " ").split("\r\n"):
        name, colon, value = line.partition(":")
        try:
            key = canonical(name)
        except RemoteProtocolError:
            continue
        if not colon or key not in _REPEATED:
            continue
        value = value.replace("\r", " ").replace("\n", " ").strip(" \t")
        if key not in headers:
            headers[key] = value
        elif key == "Via":
            headers[key] += f"\n{value}"
    return headers


def _render(error: RemoteProtocolError, headers: dict[str, str]) -> bytes:
    if "To" in headers and ";tag=" not in headers["To"].replace(" ", "").lower():
        # RFC 3261 §8.2.7: the tag of a stateless answer is the same each time.
        headers["To"] += ";tag=bad"
    lines = [f"SIP/2.0 {error.status} {_printable(error.reason) or reason_phrase(error.status)}"]
    for name in _REPEATED:
        if name in headers:
            lines += [f"{name}: {value}" for value in headers[name].split("\n")]
    lines.append("Content-Length: 0\r\n\r\n")
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


def _printable(reason: str) -> str:
    """One line of ASCII: the phrase goes into a status line."""
    return " ".join(reason.encode("ascii", "replace").decode().split())[:100]
