"""What a response to a REGISTER means for the registration: pure reading."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from trunkline.base.errors import RemoteProtocolError
from trunkline.net.listener import host_port
from trunkline.net.routes import ip_literal
from trunkline.proto.sip.draft import header_lines
from trunkline.proto.sip.grammar import split_list
from trunkline.proto.sip.message import Response
from trunkline.proto.sip.name_addr import parse_addresses, parse_contacts
from trunkline.proto.sip.numbers import parse_delta_seconds
from trunkline.proto.sip.uri import bare_host, parse_uri

# Inputs of the machine in ``registration``.
ALARM: Final = 0
LOCATED: Final = 1
NOWHERE: Final = 2  # no server was found, or none can be reached
GRANTED: Final = 3
BRIEF: Final = 4  # 423
CHALLENGED: Final = 5  # and answered
REFUSED: Final = 6  # time alone does not heal it
TROUBLED: Final = 7  # it may go better later
NEXT: Final = 8  # this server failed, and another is left to ask
PLAIN: Final = 9  # it does not know what RFC 5626 adds
DROPPED: Final = 10  # the connection that we registered over is gone
AGAIN: Final = 11  # somebody wants a REGISTER now
LEAVE: Final = 12

INPUTS: Final = (
    ALARM,
    LOCATED,
    NOWHERE,
    GRANTED,
    BRIEF,
    CHALLENGED,
    REFUSED,
    TROUBLED,
    NEXT,
    PLAIN,
    DROPPED,
    AGAIN,
    LEAVE,
)

MOST_ROUTE: Final = 2048  # characters of a Service-Route that are kept
MOST_EXPIRES_S: Final = 31_536_000
_HEALS: Final = frozenset({408, 429, 430, 480, 491})


def kind_of(status: int) -> int:
    """GRANTED, REFUSED or TROUBLED of a final status that nothing else is done about."""
    if status < 300:
        return GRANTED
    return TROUBLED if status in _HEALS or 500 <= status < 600 else REFUSED


def granted_s(response: Response, user: str, asked_s: int) -> int:
    """RFC 3261 §10.2.4: what the Contact with our user says, else Expires, else what we asked for."""
    headers = response.headers
    with suppress(RemoteProtocolError):
        for contact in parse_contacts(headers.get("Contact", "")):
            if parse_uri(contact.uri).user == user and contact.expires is not None:
                return min(contact.expires, MOST_EXPIRES_S)
    if "Expires" in headers:
        with suppress(RemoteProtocolError):
            return min(parse_delta_seconds(headers["Expires"], "Expires"), MOST_EXPIRES_S)
    return asked_s


def min_expires_s(response: Response) -> int:
    """Min-Expires of a 423, 0 when it says nothing that can be used."""
    with suppress(RemoteProtocolError):
        return min(
            parse_delta_seconds(response.headers.get("Min-Expires", ""), "Min-Expires"), MOST_EXPIRES_S
        )
    return 0


def seen_from(response: Response) -> str:
    """``host:port`` that the first server saw our request come from (RFC 3581 §4), "" when it did not say."""
    with suppress(RemoteProtocolError, ValueError):
        via = response.via
        params = via.params
        host = ip_literal(bare_host(params.get("received") or via.host))
        port = int(params.get("rport") or 0)
        if host is not None and 0 < port < 65536:
            return host_port(host, port)
    return ""


def service_route(response: Response) -> str:
    """Finished Route lines of a Service-Route (RFC 3608 §6.1), "" without one that can be used."""
    value = response.headers.get("Service-Route", "")
    if not value or len(value) > MOST_ROUTE:
        return ""
    try:
        for route in parse_addresses(value):
            parse_uri(route.uri)
    except RemoteProtocolError:
        return ""
    return header_lines("Route", value)


def associated(response: Response) -> tuple[str, ...]:
    """The URIs of P-Associated-URI (RFC 7315 §4.1); the first is who we are by default."""
    value = response.headers.get("P-Associated-URI", "")
    if not value or len(value) > MOST_ROUTE:
        return ()
    try:
        return tuple(address.uri for address in parse_addresses(value))
    except RemoteProtocolError:
        return ()


def paths(response: Response) -> str:
    """The Path that the registrar kept (RFC 3327 §5.1), for people; "" without one."""
    value = response.headers.get("Path", "")
    return ", ".join(split_list(value)) if value and len(value) <= MOST_ROUTE else ""


def flow_timer_s(response: Response) -> float:
    """Flow-Timer (RFC 5626 §4.4), 0 without one."""
    digits = response.headers.get("Flow-Timer", "").strip()
    return float(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 5 else 0.0


def keeps_flows(response: Response) -> bool:
    """Whether the registrar answers pings: it says so by requiring RFC 5626 (§6) or naming a Flow-Timer (§4.4)."""
    headers = response.headers
    if "Flow-Timer" in headers:
        return True
    return "outbound" in (tag.strip().lower() for tag in headers.get("Require", "").split(","))
