"""What an operator described, checked: a place, a number that may be a URI."""

from __future__ import annotations

from typing import Final, NamedTuple

from trunkline.app.explain.view import Place
from trunkline.base.errors import RemoteProtocolError
from trunkline.base.messages import Refused
from trunkline.net.routes import ip_literal
from trunkline.proto.sip.uri import SipUri, parse_uri

TRANSPORTS: Final = ("udp", "tcp", "tls", "ws", "wss")
_MAX_URI: Final = 1024


class Dialled(NamedTuple):
    """``user`` is what was dialled, ``domain`` "" unless it was said; ``uri`` None unless all of it was a URI."""

    user: str
    domain: str
    uri: SipUri | None


def place_of(source: str | None, transport: str | None) -> Place:
    """Raises Refused."""
    address = ""
    if source is not None:
        found = ip_literal(source.strip())
        if found is None:
            raise _invalid(
                f"{source[:60]} is no IP address", "give one such as 192.0.2.7 or 2001:db8::7, without a port"
            )
        address = found
    if transport is not None and transport.lower() not in TRANSPORTS:
        raise _invalid(f"{transport[:20]} is no transport", f"one of {', '.join(TRANSPORTS)}")
    return Place(address, (transport or "").upper())


def dialled_of(number: str, domain: str | None) -> Dialled:
    """A number, or a URI of sip or sips; raises Refused."""
    if not number.lower().startswith(("sip:", "sips:")):
        return Dialled(number, domain or "", None)
    uri = uri_of(number)
    return Dialled(uri.user, domain or uri.host, uri)


def uri_of(text: str) -> SipUri:
    """Raises Refused for what is no URI of sip or sips."""
    try:
        uri = parse_uri(text[:_MAX_URI])
    except RemoteProtocolError:
        uri = None
    if uri is None or not uri.is_sip:
        raise _invalid(f"{text[:60]} is no SIP URI", "give one such as sip:302@example.com")
    return uri


def _invalid(detail: str, hint: str) -> Refused:
    return Refused("explain.invalid", detail, hint)
