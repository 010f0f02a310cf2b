"""Port numbers for peers that cannot be told to choose one themselves."""

from __future__ import annotations

import random
import socket
from pathlib import Path

# Below the kernel's ephemeral range (32768 and up), so that a socket on port 0 never takes one of ours
# between the look and the use.
_LOWEST, _HIGHEST = 20_000, 32_000
_SPACING = 10
_cursor = random.randrange(_LOWEST, _HIGHEST, _SPACING)  # noqa: S311  (a port, not a secret)


def _is_free(host: str, port: int) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
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
    room = -(-count // _SPACING) * _SPACING
    for _ in range(0, _HIGHEST - _LOWEST, _SPACING):
        first = _cursor if _cursor + room <= _HIGHEST else _LOWEST
        if all(_is_free(host, port) for port in range(first, first + count)):
            _cursor = first + room
            return first
        _cursor = first + _SPACING
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
