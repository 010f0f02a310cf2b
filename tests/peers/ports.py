"""Port numbers for peers that cannot be told to choose one themselves."""

from __future__ import annotations

import random
import socket
from pathlib import Path

# Below the kernel's ephemeral range (32768 and up), so that a socket on port 0 never takes one of ours
# between the look and the use.
_LOWEST, _HIGHEST = 20_000, 32_000
_SPACING = 10
_given: set[int] = set()


def _is_free(host: str, port: int) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True


def free_ports(count: int, host: str = "127.0.0.1") -> int:
    """The first of ``count`` neighbouring ports, even, free for UDP and TCP and given to nobody else here."""
    room = -(-count // _SPACING) * _SPACING
    for _ in range(200):
        first = random.randrange(_LOWEST, _HIGHEST - room, _SPACING)  # noqa: S311  (a port, not a secret)
        block = range(first, first + room)
        if _given.isdisjoint(block) and all(_is_free(host, port) for port in block[:count]):
            _given.update(block)
            return first
    raise AssertionError(f"no {count} neighbouring ports are free on {host} between {_LOWEST} and {_HIGHEST}")


def is_bound(port: int, transport: str) -> bool:
    """Whether somebody listens on an IPv4 port, asked of the kernel without touching the port."""
    wanted = f"{port:04X}"
    for line in Path(f"/proc/net/{transport}").read_text().splitlines()[1:]:
        fields = line.split()
        # 0A is LISTEN, 07 the state of a bound UDP socket.
        if fields[1].endswith(":" + wanted) and fields[3] in {"0A", "07"}:
            return True
    return False
