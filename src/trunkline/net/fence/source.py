"""Whom an address stands for: one IPv4 address, or the IPv6 network that one customer has."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_KEPT: Final = 4096
# RFC 4291 §2.5.6: everybody on a link has the same prefix there, so the whole address counts.
_LINK_LOCAL: Final = ("fe8", "fe9", "fea", "feb")
_MAPPED: Final = bytes(10) + b"\xff\xff"


def source_of(host: str) -> str:
    """The source that an IP literal belongs to: ``192.0.2.7``, ``2001:db8:1:2::/64``.

    A host has a whole /64 to choose addresses from (RFC 4291 §2.5.1, RFC 8981), so a penalty for one of them
    alone would be none. An IPv4 address in IPv6 clothes (RFC 4291 §2.5.5.2) is that IPv4 address.
    """
    return _network6(host) if ":" in host else host


def parse_source(text: str) -> str:
    """The source of what an operator typed: an address, or an IPv6 network of 64 bits as lists show it.

    Raises ValueError for anything else.
    """
    bare = text.strip().removeprefix("[").removesuffix("]").removesuffix("/64")
    if bare.count("/") or (text.strip().endswith("/64") and ":" not in bare):
        raise ValueError(text)
    return source_of(str(ipaddress.ip_address(bare)))


def is_within(source: str, networks: Iterable[Network]) -> bool:
    """Whether a source lies in one of the networks, or has one of them in it; what is no address lies nowhere.

    Who names one IPv6 address means whoever shares its fate, which is its /64.
    """
    bare, percent, _scope = source.partition("%")
    try:
        place = ipaddress.ip_network(bare if percent else source)
    except ValueError:
        return False
    return any(place.overlaps(network) for network in networks)


@lru_cache(maxsize=_KEPT)
def _network6(host: str) -> str:
    bare, _, _scope = host.partition("%")
    if bare[:3].lower() in _LINK_LOCAL:
        return host
    try:
        packed = socket.inet_pton(socket.AF_INET6, bare)
    except OSError:
        return host
    if packed.startswith(_MAPPED):
        return socket.inet_ntop(socket.AF_INET, packed[len(_MAPPED) :])
    return f"{socket.inet_ntop(socket.AF_INET6, packed[:8] + bytes(8))}/64"
