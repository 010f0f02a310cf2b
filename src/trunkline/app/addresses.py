"""Addresses as people write them, and the addresses of this host."""

from __future__ import annotations

import ipaddress
import re
import socket
from contextlib import closing
from dataclasses import dataclass

# RFC 1123 §2.1: labels of letters, digits and hyphens.
_HOST_NAME = re.compile(
    r"(?=.{1,253}\.?$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*\.?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class HostPort:
    """A host (an IPv6 address without brackets) and a port (0..65535, None when not given)."""

    host: str
    port: int | None = None

    def __str__(self) -> str:
        host = bracketed(self.host)
        return host if self.port is None else f"{host}:{self.port}"


def parse_host_port(text: str) -> HostPort:
    """``host``, ``host:port``, ``[v6]`` or ``[v6]:port``; raises ValueError that says what is wrong."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("an IPv6 address stands in brackets: [::1]:5060")
        port = rest[1:] if rest else None
    elif text.count(":") > 1:
        raise ValueError("an IPv6 address stands in brackets: [::1]:5060")
    else:
        host, colon, digits = text.partition(":")
        port = digits if colon else None
    if not is_host(host):
        raise ValueError(f"{host[:60] or 'nothing'} is no host")
    return HostPort(host, None if port is None else _port(port))


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > 65535:
        raise ValueError("a port is a number from 0 to 65535")
    return int(text)


def is_ip(text: str) -> bool:
    """Whether ``text`` is an IPv4 or IPv6 address (without brackets)."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_host(text: str) -> bool:
    """An IP address or a host name. Digits and dots alone that are no address are a mistyped address."""
    if is_ip(text):
        return True
    return bool(_HOST_NAME.fullmatch(text)) and not re.fullmatch(r"[\d.]+", text)


def is_unspecified(host: str) -> bool:
    """Whether binding to ``host`` means all addresses."""
    return is_ip(host) and ipaddress.ip_address(host).is_unspecified


def bracketed(host: str) -> str:
    """The host as it stands in a URI (RFC 3986 §3.2.2)."""
    return f"[{host}]" if ":" in host else host


@dataclass(frozen=True, slots=True)
class HostAddresses:
    """The addresses by which this host reaches others; ``ipv6`` None: it has none beyond loopback."""

    ipv4: str = "127.0.0.1"
    ipv6: str | None = None
    binds_ipv6: bool = False


def host_addresses() -> HostAddresses:
    """Ask the kernel which source address it would use; nothing is sent."""
    # Documentation prefixes (RFC 5737, RFC 3849) take the default route and reach nobody.
    ipv4 = _source_address(socket.AF_INET, "192.0.2.1") or "127.0.0.1"
    ipv6 = _source_address(socket.AF_INET6, "2001:db8::1")
    return HostAddresses(ipv4, ipv6, _binds_ipv6())


def _source_address(family: socket.AddressFamily, towards: str) -> str | None:
    try:
        with closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
            probe.connect((towards, 5060))
            return str(probe.getsockname()[0])
    except OSError:
        return None


def _binds_ipv6() -> bool:
    try:
        with closing(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
