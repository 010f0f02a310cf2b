"""Which of a host's addresses is tried first (RFC 6724 §6), as far as it matters to who connects.

Of its rules stand here: 1 (avoid what has no route), 2 (the scope of the source), 5 and 6 (label and precedence
of the default policy table, §2.1) and 8 (the smaller scope). The others need what a program cannot know.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

SourceOf: TypeAlias = Callable[[str], str | None]
"""The local address that the kernel would send from to an address; None when there is no route."""

_LOOPBACK, _LINK, _SITE, _GLOBAL = 2, 2, 5, 14  # RFC 6724 §3.1; RFC 4291 §2.7 numbers the scopes

# RFC 6724 §2.1: prefix, precedence, label.
_POLICY: Final = tuple(
    (ipaddress.IPv6Network(prefix), precedence, label)
    for prefix, precedence, label in (
        ("::1/128", 50, 0),
        ("::ffff:0:0/96", 35, 4),
        ("2002::/16", 30, 2),
        ("2001::/32", 5, 5),
        ("fc00::/7", 3, 13),
        ("fec0::/10", 1, 11),
        ("3ffe::/16", 1, 12),
        ("::/96", 1, 3),
        ("::/0", 40, 1),
    )
)


def by_preference(addresses: Sequence[str], source_of: SourceOf) -> list[str]:
    """IP addresses, the best first; equals stay as the name server sent them, which spreads its load."""
    if len(addresses) < 2:
        return list(addresses)
    return sorted(dict.fromkeys(addresses), key=lambda address: _rank(address, source_of(address)))


def _rank(address: str, source: str | None) -> tuple[bool, bool, bool, int, int]:
    precedence, label = _policy(address)
    scope = _scope(address)
    if source is None:
        return True, True, True, -precedence, scope
    return False, _scope(source) != scope, _policy(source)[1] != label, -precedence, scope


def _policy(address: str) -> tuple[int, int]:
    six = _as_ipv6(address)
    return next((precedence, label) for prefix, precedence, label in _POLICY if six in prefix)


def _as_ipv6(address: str) -> ipaddress.IPv6Address:
    bare = address.partition("%")[0]
    return ipaddress.IPv6Address(bare if ":" in bare else f"::ffff:{bare}")


def _scope(address: str) -> int:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if ip.is_loopback:
        return _LOOPBACK
    if ip.is_link_local:
        return _LINK
    # RFC 6724 §3.2: private IPv4 addresses are of global scope; so are unique local ones (RFC 4193 §3.3).
    return _SITE if isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local else _GLOBAL
