"""INVITEs that no call can be made of, whoever sends them (RFC 3261 §8.2)."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from trunkline.proto.sip.grammar import split_list
from trunkline.proto.sip.message import Request
from trunkline.proto.sip.uri import parse_uri
from trunkline.ua.option_tags import unsupported


def refusal_of(request: Request, supported: AbstractSet[str] = frozenset()) -> tuple[int, str] | None:
    """Status and header lines for an INVITE that we cannot serve whoever sends it (RFC 3261 §8.2), else None.

    ``supported`` are the option tags that it may require, in lower case.
    Raises RemoteProtocolError when the Request-URI or Require is malformed.
    """
    if not parse_uri(request.uri).is_sip:
        return 416, ""
    headers = request.headers
    if "Require" in headers and (tags := unsupported(request, supported)):
        return 420, f"Unsupported: {tags}\r\n"
    if "Accept" in headers and not _takes_sdp(headers["Accept"]):
        return 406, "Accept: application/sdp\r\n"
    if request.body and (headers.get("Content-Type") != "application/sdp" or "Content-Encoding" in headers):
        kind = headers.get("Content-Type", "application/sdp").partition(";")[0].strip().lower()
        if kind != "application/sdp":
            return 415, "Accept: application/sdp\r\n"
        if headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            return 415, "Accept-Encoding: identity\r\n"
    return None


def _takes_sdp(accept: str) -> bool:
    """Whether an Accept lets us answer with a session description; without one it does (RFC 3261 §20.1)."""
    ranges = {each.partition(";")[0].strip().lower() for each in split_list(accept)}
    return bool(ranges & {"application/sdp", "application/*", "*/*"})
