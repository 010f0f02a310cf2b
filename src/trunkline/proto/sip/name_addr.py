"""Addresses in From, To, Contact, Route and their like: display name, URI, parameters (RFC 3261 §20.10)."""

from __future__ import annotations

import re
from typing import Final

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.grammar import (
    QUOTED,
    VALUE,
    WHITE,
    excerpt,
    parse_parameters,
    quote,
    render_parameters,
    split_list,
    unquote,
)
from trunkline.proto.sip.numbers import parse_delta_seconds, parse_qvalue
from trunkline.proto.sip.uri import SipUri, parse_uri

DEFAULT_EXPIRES_S: Final = 3600

# RFC 3261 §25.1: name-addr = [ display-name ] LAQUOT addr-spec RAQUOT. An unquoted display name is wider than
# *(token LWS), since phones send bare UTF-8, but has no comma (RFC 4475 §3.1.2.15).
_name_addr = re.compile(
    rf'[ \t]*+({QUOTED}|[^\x00-\x08\x0a-\x1f\x7f<>",;]*+)[ \t]*+'
    rf'<([A-Za-z][A-Za-z0-9+.-]*+:[^\x00-\x20\x7f<>"]++)>([ \t]*+;.*+|[ \t]*+)\Z',
    re.DOTALL,
).match
# RFC 3261 §20.10: without <> a comma, question mark or semicolon does not belong to the URI.
_addr_spec = re.compile(
    r'[ \t]*+([A-Za-z][A-Za-z0-9+.-]*+:[^\x00-\x20\x7f<>",;?]++)([ \t]*+;.*+|[ \t]*+)\Z', re.DOTALL
).match
# A whole From or To as nearly everybody writes it; what does not match is parsed in full.
_usual_from_to = re.compile(
    rf'(?:{QUOTED}[ \t]*+|[^\x00-\x08\x0a-\x1f\x7f<>",;]*+)'
    rf'<[A-Za-z][A-Za-z0-9+.-]*+:[^\x00-\x20\x7f<>"]++>(?:;tag=({VALUE}))?+\Z'
).match


class NameAddr:
    """One address: ``display`` unquoted ("" when there is none), ``uri`` as text, the header's ``params``.

    ``text`` is the element as it came, or as it is written for one made here. Contact: * has the uri "*".
    """

    __slots__ = ("display", "params", "text", "uri")

    def __init__(self, display: str, uri: str, params: dict[str, str | None], text: str = "") -> None:
        self.display = display
        self.uri = uri
        self.params = params
        self.text = text or self._render()

    @property
    def is_wildcard(self) -> bool:
        """Whether this is the ``*`` of a Contact that removes all bindings (RFC 3261 §10.2.2)."""
        return self.uri == "*"

    @property
    def address(self) -> SipUri:
        """The URI parsed; raises RemoteProtocolError when it is malformed."""
        return parse_uri(self.uri)

    @property
    def tag(self) -> str | None:
        """The tag parameter; raises RemoteProtocolError when it is there but empty."""
        if "tag" not in self.params:
            return None
        tag = self.params["tag"]
        if not tag:
            raise RemoteProtocolError(f"empty tag in {excerpt(self.text)}")
        return tag

    @property
    def q(self) -> int:
        """Preference in thousandths, 0..1000; 1000 when not given. Raises RemoteProtocolError."""
        return parse_qvalue(self.params["q"] or "") if "q" in self.params else 1000

    @property
    def expires(self) -> int | None:
        """Seconds 0..2**32-1, None when not given; a malformed value counts as 3600 (RFC 3261 §20.10)."""
        if "expires" not in self.params:
            return None
        try:
            return parse_delta_seconds(self.params["expires"] or "", "expires")
        except RemoteProtocolError:
            return DEFAULT_EXPIRES_S

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"NameAddr({self.text!r})"

    def _render(self) -> str:
        display = f"{quote(self.display)} " if self.display else ""
        return f"{display}<{self.uri}>{render_parameters(self.params)}"


def parse_name_addr(value: str) -> NameAddr:
    """One address with or without ``<>``; parameters behind a bare URI are the header's (RFC 3261 §20.10).

    The URI is checked for what could break out of its header, not parsed. Raises RemoteProtocolError for
    unbalanced quotes or brackets, white space in the URI, commas in an unquoted display name, ``?`` in a URI
    without ``<>``.
    """
    match = _name_addr(value)
    if match is not None:
        display, uri, params = match.groups()
        display = unquote(display) if display[:1] == '"' else display.rstrip(WHITE)
        return NameAddr(display, uri, parse_parameters(params.strip(WHITE)), value)
    match = _addr_spec(value)
    if match is not None:
        return NameAddr("", match[1], parse_parameters(match[2].strip(WHITE)), value)
    raise RemoteProtocolError(f"malformed address {excerpt(value)}")


def parse_addresses(value: str) -> list[NameAddr]:
    """The addresses of a list such as Route, Record-Route, Path or P-Asserted-Identity, in order."""
    return [parse_name_addr(element) for element in split_list(value)]


def parse_contacts(value: str) -> list[NameAddr]:
    """The contacts of all Contact headers in order; ``*`` may only stand alone (RFC 3261 §10.3, step 6)."""
    elements = split_list(value)
    if elements == ["*"]:
        return [NameAddr("", "*", {}, "*")]
    return [parse_name_addr(element) for element in elements]


def tag_of(value: str) -> str | None:
    """The tag of a From or To, None when it has none; raises RemoteProtocolError when malformed.

    The usual forms cost one look and are checked as a whole, display name and URI included.
    """
    match = _usual_from_to(value)
    if match is not None:
        tag: str | None = match[1]
        return tag
    return parse_name_addr(value).tag
