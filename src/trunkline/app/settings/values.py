"""How single values of the settings are written: listeners, addresses, port ranges, domains.

Each function takes what stood in the file and returns the value in its one canonical form, or raises
``wrong(…)``, which ``settings.errors`` turns into a ConfigError.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pydantic_core import PydanticCustomError

from trunkline.app.addresses import HostPort, bracketed, is_host, is_ip, parse_host_port
from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.name_addr import parse_addresses

DEFAULT_PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061, "ws": 5066, "wss": 5067}
TRANSPORTS = tuple(DEFAULT_PORTS)
LISTENER_FORM = "TRANSPORT:HOST:PORT such as udp:0.0.0.0:5060 or tls:[::1]:5061"


def wrong(expected: str, hint: str = "", seen: str = "", at: str = "") -> PydanticCustomError:
    """A wrong value: what is ``expected``, a ``hint``; ``seen`` and ``at`` (a key below) when not obvious."""
    return PydanticCustomError(
        "wrong_value", "expected {expected}", {"expected": expected, "hint": hint, "seen": seen, "at": at}
    )


@dataclass(frozen=True, slots=True)
class PortRange:
    """UDP ports ``first``..``last``, both included; written "10000-20000"."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    def __len__(self) -> int:
        return self.last - self.first + 1


def as_port_range(value: Any) -> PortRange:
    """At least one even-odd pair (RFC 3550 §11) between 1024 and 65535."""
    if isinstance(value, PortRange):
        return value
    expected = 'FIRST-LAST such as "10000-20000", from 1024 to 65535, with room for an even and an odd port'
    first, dash, last = value.partition("-") if isinstance(value, str) else ("", "", "")
    if not (dash and _is_number(first) and _is_number(last)):
        raise wrong(expected, "in quotes, with a dash" if isinstance(value, int | float) else "")
    ports = PortRange(int(first), int(last))
    if ports.first > ports.last:
        raise wrong(expected, f"the first is above the last: did you mean {ports.last}-{ports.first}?")
    if ports.first < 1024:
        raise wrong(expected, "ports below 1024 belong to the system")
    if ports.last > 65535:
        raise wrong(expected, f"there is no port {ports.last}")
    if len(ports) < 2 + ports.first % 2:
        raise wrong(expected, "a port for RTP is even, and the next one is for RTCP")
    return ports


def _is_number(text: str) -> bool:
    return text.strip().isascii() and text.strip().isdecimal()


def as_folder(value: Any) -> str:
    """The path of a folder, which need not be there yet."""
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise wrong('the path of a folder such as "/var/lib/trunkline"')
    return value


def as_listeners(value: Any) -> Any:
    """A list of texts or tables; one alone will do."""
    if isinstance(value, str | dict):
        value = [value]
    if not isinstance(value, list | tuple):
        raise wrong(f"a list of {LISTENER_FORM}")
    return tuple({"url": item} if isinstance(item, str) else item for item in value)


def as_tables(value: Any) -> Any:
    """A list of tables; one alone will do."""
    values = [value] if isinstance(value, dict) else value
    if not isinstance(values, list | tuple):
        raise wrong("a list of tables")
    return tuple(values)


def as_url(value: Any) -> str:
    """``transport:host:port`` with the port always written."""
    if not isinstance(value, str):
        raise wrong(LISTENER_FORM)
    transport, colon, rest = value.partition(":")
    transport = transport.lower()
    if not colon or transport not in TRANSPORTS:
        near = get_close_matches(transport, TRANSPORTS, n=1, cutoff=0.5)
        raise wrong(
            LISTENER_FORM,
            f"did you mean {near[0]}?" if near else f"the transport is one of {', '.join(TRANSPORTS)}",
        )
    try:
        address = parse_host_port(rest.removeprefix("//"))
    except ValueError as error:
        raise wrong(LISTENER_FORM, str(error)) from None
    host = "127.0.0.1" if address.host == "localhost" else address.host
    if not is_ip(host):
        raise wrong(LISTENER_FORM, "a listener is bound to an IP address; a name goes into advertise")
    return f"{transport}:{HostPort(host, DEFAULT_PORTS[transport] if address.port is None else address.port)}"


def as_file(value: Any) -> str:
    """The path of a file; whether it is there is found out when it is read."""
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise wrong("the path of a PEM file")
    return value


def as_origins(value: Any) -> tuple[str, ...]:
    """Origins as browsers send them (RFC 6454 §6.2): scheme, host and a port that is not the scheme's own."""
    values = [value] if isinstance(value, str) else value
    expected = 'origins such as "https://phone.example.com": scheme and host, without a path'
    if not isinstance(values, list | tuple):
        raise wrong(expected)
    for one in values:
        scheme, separator, host = one.partition("://") if isinstance(one, str) else ("", "", "")
        if not (scheme.isalnum() and separator and host) or any(each in host for each in "/?#*@ "):
            raise wrong(expected, seen=repr(one))
    return tuple(one.lower() for one in values)


def as_route(value: Any) -> str:
    """A Route of SIP URIs (RFC 3261 §20.34), as one line; "" for none."""
    expected = "SIP URIs such as <sip:edge.example.com;lr>, with commas between them"
    if not isinstance(value, str) or "\n" in value or "\r" in value:
        raise wrong(expected)
    try:
        hops = parse_addresses(value)
        loose = all(hop.address.is_sip and "lr" in hop.address.params for hop in hops)
    except RemoteProtocolError as error:
        raise wrong(expected, str(error)) from None
    if not loose:
        raise wrong(expected, "each is a sip or sips URI with ;lr (RFC 3261 §16.12.1.1)")
    return ", ".join(str(hop) for hop in hops)


def as_advertise(value: Any) -> str:
    """``host`` or ``host:port``."""
    if not isinstance(value, str):
        raise wrong("a host or host:port")
    if value.split() != [value]:
        raise wrong("a host or host:port", "without spaces")
    if _is_uri(value):
        raise wrong("a host or host:port", "without its scheme")
    try:
        return str(parse_host_port(bracketed(value) if is_ip(value) else value))
    except ValueError as error:
        raise wrong("a host or host:port", str(error)) from None


def _is_uri(text: str) -> bool:
    return text.lower().startswith(("sip:", "sips:", "http:", "https:"))


def as_media_address(value: Any) -> str:
    """An IP address: SDP peers do not look names up (RFC 4566 §5.7 allows it, phones do not)."""
    if not isinstance(value, str) or not is_ip(value.strip("[]")):
        raise wrong("an IP address")
    return value.strip("[]")


def as_listen(value: Any, example: str = "0.0.0.0:8080") -> str:
    """``host:port`` or ``off``."""
    expected = f'HOST:PORT such as "{example}", or "off"'
    if value is False or value == "off":
        return "off"
    if not isinstance(value, str):
        raise wrong(expected)
    try:
        address = parse_host_port(value)
    except ValueError as error:
        raise wrong(expected, str(error)) from None
    if address.port is None:
        raise wrong(expected, "the port is missing")
    return str(address)


def as_metrics_address(value: Any) -> str:
    """The same for what only this host is to read."""
    return as_listen(value, "127.0.0.1:9090")


def as_domain(value: Any) -> str:
    """A host name in lower case, or an IP address as it stands in a URI."""
    bare = value.strip("[]") if isinstance(value, str) else ""
    if not is_host(bare):
        hint = "without its scheme" if _is_uri(bare) else "without spaces" if bare.split() != [bare] else ""
        raise wrong("a domain such as example.com, or an IP address", hint if bare else "")
    return bracketed(bare.lower())
