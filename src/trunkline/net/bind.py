"""Binding a listener's socket, and telling whose it is when it is taken."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

from trunkline.base.errors import ConfigError
from trunkline.net.listener import Listener
from trunkline.net.routes import socket_address

_REASONS = {
    errno.EADDRNOTAVAIL: ("which is no address of this machine", "an address of this machine, or 0.0.0.0"),
    errno.EACCES: ("which this user may not bind", "a port from 1024 on, or the right to bind lower ones"),
}


def bind(listener: Listener) -> socket.socket:
    """A non-blocking socket bound for ``listener``, which then knows its real port.

    Raises ``ConfigError`` naming address, port and, when it can be told, the process that holds them.
    """
    udp = listener.transport == "UDP"
    sock = socket.socket(listener.family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if not udp:
            # For TCP this only permits what TIME_WAIT would forbid; for UDP it would let two programs share.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listener.family == socket.AF_INET6:
            # An IPv6 wildcard must not take the IPv4 port: each family has its own listener.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(socket_address(listener.host, listener.port))
        if not udp:
            sock.listen(1024)
    except OSError as error:
        sock.close()
        raise _explain(listener, error) from error
    listener.bound(sock.getsockname()[1])
    return sock


def _explain(listener: Listener, error: OSError) -> ConfigError:
    where = f"{listener.transport} {listener.address}"
    if error.errno == errno.EADDRINUSE:
        owner = owner_of(listener)
        seen = f"{where}, which is in use by {owner}" if owner else f"{where}, which is in use"
        return ConfigError(
            "network", "sip.listen", seen, "a free port", "stop that program, or use another port"
        )
    seen, expected = _REASONS.get(
        error.errno or 0, (f"where binding failed: {error.strerror}", "a usable address")
    )
    return ConfigError("network", "sip.listen", f"{where}, {seen}", expected)


def owner_of(listener: Listener) -> str | None:
    """``name (pid 123)`` of the process that holds the listener's port, when /proc tells it."""
    inodes = {
        inode
        for table in _tables(listener.transport)
        for inode in _inodes(Path("/proc/net", table), listener)
    }
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(_link(fd) in wanted for fd in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:
            continue  # another user's process, or one that has just ended
    return None


def _tables(transport: str) -> tuple[str, str]:
    return ("udp", "udp6") if transport == "UDP" else ("tcp", "tcp6")


def _inodes(table: Path, listener: Listener) -> list[str]:
    """Inodes of the sockets bound to the listener's port: columns 2 and 10 of proc(5), /proc/net/tcp."""
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return []
    listening = "07" if listener.transport == "UDP" else "0A"
    return [
        row[9]
        for row in rows
        if len(row) > 9 and row[3] == listening and int(row[1].rpartition(":")[2], 16) == listener.port
    ]


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""
