"""Which addresses may be reached for a stranger's sake: those of the public Internet, and what the operator allows.

A URL that a stranger gives us is an order to connect somewhere. Without these rules it could lead to our own machine,
to the networks behind us, or to a cloud's metadata service.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host name; raises OSError when it has none."""

_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052 §2.1: the last 32 bits are an IPv4 address


def may_reach(address: str, inside: Sequence[Network] = ()) -> bool:
    """Whether ``address`` is public or in one of the networks ``inside``; False for what is no address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if any(parsed in network for network in inside):
        return True
    if isinstance(parsed, ipaddress.IPv6Address) and parsed in _NAT64:
        parsed = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
    if isinstance(parsed, ipaddress.IPv6Address):
        within = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo or (None, None))[1]
        # RFC 4291 §2.4: public addresses are of 2000::/3 so far; ::/96, 64:ff9b:1::/48 and fec0::/10 lead inside.
        if parsed not in _GLOBAL_UNICAST or (within is not None and not within.is_global):
            return False
    return parsed.is_global and not parsed.is_multicast


def all_may_be_reached(addresses: Sequence[str], inside: Sequence[Network] = ()) -> bool:
    """One that is not public is enough to say no: which of them is asked must not be a matter of chance."""
    return bool(addresses) and all(may_reach(address, inside) for address in addresses)


async def addresses_of(host: str, port: int) -> list[str]:
    """What the system knows of a host, best first; raises OSError when it has no address."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
