"""The History-Info header (RFC 7044), as far as it tells of diversions, and its mapping to Diversion (RFC 7544).

An entry says where the request was sent; the ``cause`` (RFC 4458) in the URI of an entry says why it went there and
not to the one before. So the diversion is the pair: who had the call, and the cause of the next entry.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final, NamedTuple

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.escapes import unescape
from trunkline.proto.sip.grammar import excerpt, split_list
from trunkline.proto.sip.identity.diversion import Diversion, check_count
from trunkline.proto.sip.name_addr import NameAddr, parse_name_addr
from trunkline.proto.sip.uri import SipUri, parse_uri

MAX_ENTRIES: Final = 40

# RFC 7544 §7.2 and §7.3: the reason of Diversion beside the cause of RFC 4458.
CAUSES: Final[dict[str, int]] = {
    "unknown": 404, "unconditional": 302, "user-busy": 486, "no-answer": 408, "unavailable": 503,
    "deflection": 480, "do-not-disturb": 404, "time-of-day": 404, "follow-me": 404, "out-of-service": 404,
    "away": 404,
}  # fmt: skip
_REASONS: Final[dict[int, str]] = {
    404: "unknown", 302: "unconditional", 486: "user-busy", 408: "no-answer", 503: "unavailable",
    480: "deflection", 487: "deflection",
}  # fmt: skip

# RFC 7044 §5.1: hi-index = index-val *( "." index-val ); seven digits are more than anybody counts.
_index = re.compile(r"[0-9]{1,7}(?:\.[0-9]{1,7})*\Z").match


class Entry(NamedTuple):
    """One entry: the ``uri`` that was targeted, without its headers; its ``place`` in the tree; why, if it says."""

    uri: str
    place: tuple[int, ...]
    cause: int | None = None
    display: str = ""
    private: bool = False


def parse_history(value: str) -> list[Entry]:
    """The entries in the order of their indices, as RFC 7044 §10.3 counts them.

    Raises RemoteProtocolError for a malformed entry and for more than ``MAX_ENTRIES``.
    """
    elements = split_list(value)
    if len(elements) > MAX_ENTRIES:
        raise RemoteProtocolError(
            f"{len(elements)} entries of History-Info, at most {MAX_ENTRIES} are read", 482
        )
    return sorted((_parse(element) for element in elements), key=lambda entry: entry.place)


def diversions_of(entries: list[Entry]) -> list[Diversion]:
    """The diversions that a history tells, the oldest first (RFC 7544 §4.2)."""
    found = []
    for before, after in pairwise(entries):
        if after.cause is not None:
            reason = _REASONS.get(after.cause, "unknown")
            found.append(Diversion(before.uri, reason, 1, before.display, before.private))
    check_count(len(found))
    return found


def render_history(diversions: tuple[Diversion, ...], target: str) -> str:
    """The header's lines for diversions, the oldest first, of a call that goes to ``target`` (RFC 7544 §5).

    Indices go on by one level each, without a hole: a Diversion that stands for several is one entry here, for
    nobody knows the others' addresses.
    """
    lines = []
    index = "1"
    cause: int | None = None
    for diversion in diversions:
        lines.append(_render(diversion.uri, index, cause, diversion.display, private=diversion.private))
        cause = CAUSES.get(diversion.reason, 404)
        index += ".1"
    lines.append(_render(target, index, cause, "", private=False))
    return "".join(f"History-Info: {line}\r\n" for line in lines)


def _render(uri: str, index: str, cause: int | None, display: str, *, private: bool) -> str:
    parsed = parse_uri(uri)
    if cause is not None and parsed.is_sip:
        params = dict(parsed.params) | {"cause": str(cause)}
        parsed = SipUri(parsed.scheme, parsed.raw_user, parsed.host, parsed.port, params)
    # RFC 7044 §10.1.2: the privacy of an entry is a header of its URI.
    hidden = "?Privacy=history" if private and parsed.is_sip else ""
    # RFC 7044 §5: "mp" names the entry that was mapped to this one, which is what a diversion does.
    mapped = f";mp={index.rpartition('.')[0]}" if cause is not None else ""
    return f"{NameAddr(display, f'{parsed}{hidden}', {})};index={index}{mapped}"


def _parse(element: str) -> Entry:
    address = parse_name_addr(element)
    index = address.params.get("index") or ""
    if not _index(index):
        raise RemoteProtocolError(f"History-Info without a readable index in {excerpt(element)}")
    uri = address.address
    digits = uri.params.get("cause") or ""
    cause = int(digits) if digits.isascii() and digits.isdecimal() and len(digits) == 3 else None
    wish = unescape(uri.headers).lower()
    private = "privacy=" in wish and "none" not in wish
    params = {name: value for name, value in uri.params.items() if name != "cause"}
    bare = SipUri(uri.scheme, uri.raw_user, uri.host, uri.port, params) if uri.is_sip else uri
    return Entry(str(bare), tuple(map(int, index.split("."))), cause, address.display, private)
