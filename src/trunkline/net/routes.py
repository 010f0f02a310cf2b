"""IP literals, and which of our addresses the kernel would send from."""

from __future__ import annotations

import socket
from typing import Any


def ip_literal(host: str) -> str | None:
    """The literal as the kernel writes it (no brackets, IPv6 shortened, scope kept), None for a name.

    Only the four-part form of IPv4 counts: "10.1" and "0x7f.1" are names here.
    """
    if ":" not in host:
        try:
            return socket.inet_ntop(socket.AF_INET, socket.inet_pton(socket.AF_INET, host))
        except (OSError, ValueError):
            return None
    bare, percent, scope = host.removeprefix("[").removesuffix("]").partition("%")
    try:
        packed = socket.inet_pton(socket.AF_INET6, bare)
    except (OSError, ValueError):
        return None
    return socket.inet_ntop(socket.AF_INET6, packed) + percent + scope


def family_of(host: str) -> socket.AddressFamily:
    """The address family of an IP literal."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def socket_address(host: str, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    """What a socket call wants for this address.

    Python takes the scope of a link-local address from the tuple alone; an unknown scope raises OSError.
    """
    bare, _, scope = host.partition("%")
    if not scope:
        return host, port
    return bare, port, 0, int(scope) if scope.isdigit() else socket.if_nametoindex(scope)


def remote_of(address: tuple[Any, ...]) -> tuple[str, int]:
    """Host and port of what a socket call returned; the scope of a link-local address joins the host."""
    host, port = address[0], address[1]
    if len(address) == 4 and address[3] and "%" not in host:
        host = f"{host}%{address[3]}"
    return host, port


def source_address(remote_host: str) -> str | None:
    """The local address used towards an IP literal, None when there is no route. Nothing is sent."""
    try:
        with socket.socket(family_of(remote_host), socket.SOCK_DGRAM) as probe:
            probe.connect(socket_address(remote_host, 5060))
            local: str = probe.getsockname()[0]
    except (OSError, ValueError):
        return None
    return local
