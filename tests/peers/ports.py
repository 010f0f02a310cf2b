"""Port numbers for peers that cannot be told to choose one themselves.

Tests run in several processes at once. Each hands out ports of a share of its own, so that nobody takes a port
between another's look and use.
"""

from __future__ import annotations

import functools
import random
import socket
from pathlib import Path

# Below the kernel's ephemeral range (32768 and up), so that a socket on port 0 never takes one of ours either.
_LOWEST, _HIGHEST = 20_000, 32_000
_SHARE = 1_500
_SPACING = 10
_claims: list[socket.socket] = []
_cursor = 0


@functools.cache
def _share() -> range:
    """The ports of this process alone, until it ends.

    A claim is an abstract Unix socket (unix(7)): it has the reach of a port, one network namespace, only one
    process can bind it, and the kernel lets go of it when that process ends.
    """
    for first in range(_LOWEST, _HIGHEST, _SHARE):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0trunkline-tests-ports-{first}")
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        return range(first, first + _SHARE)
    raise AssertionError(f"all ports from {_LOWEST} to {_HIGHEST} belong to tests that run: end some of them")


def _is_free(host: str, port: int) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind is socket.SOCK_STREAM:
                # As servers do: connections of a minute ago, that wait for their end (TIME_WAIT), take no port.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True


def free_ports(count: int, host: str = "127.0.0.1") -> int:
    """The first of ``count`` neighbouring ports, even, free for UDP and TCP.

    Blocks are handed out one behind the other, so that a port comes round again only after all others.
    """
    global _cursor  # noqa: PLW0603  (the one place that knows what was handed out in this process)
    share = _share()
    # Not from the beginning: packets for an earlier process of this share may still be on their way there.
    _cursor = _cursor or random.randrange(share.start, share.stop, _SPACING)  # noqa: S311  (a port, no secret)
    room = -(-count // _SPACING) * _SPACING
    for _ in range(0, len(share), _SPACING):
        first = _cursor if _cursor + room <= share.stop else share.start
        if all(_is_free(host, port) for port in range(first, first + count)):
            _cursor = first + room
            return first
        _cursor = first + _SPACING
    raise AssertionError(
        f"no {count} neighbouring ports are free on {host} between {share.start} and {share.stop}"
    )


def is_bound(port: int, transport: str) -> bool:
    """Whether somebody listens on an IPv4 port, asked of the kernel without touching the port."""
    wanted = f"{port:04X}"
    for line in Path(f"/proc/net/{transport}").read_text().splitlines()[1:]:
        fields = line.split()
        # 0A is LISTEN, 07 the state of a bound UDP socket.
        if fields[1].endswith(":" + wanted) and fields[3] in {"0A", "07"}:
            return True
    return False
