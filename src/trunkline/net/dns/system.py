"""What this machine says about names: /etc/hosts and /etc/resolv.conf, read again when they change."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Final, TypeAlias

from trunkline.net.dns.settings import Server
from trunkline.net.routes import ip_literal

HOSTS: Final = Path("/etc/hosts")
RESOLV_CONF: Final = Path("/etc/resolv.conf")
DNS_PORT: Final = 53
LOOK_AGAIN_S: Final = 5.0

_MAX_FILE: Final = 4 << 20
_MAX_HOSTS: Final = 65_536
_MAX_SERVERS: Final = 8
_LOCALHOST: Final = ("127.0.0.1", "::1")

_Stamp: TypeAlias = tuple[int, int, int]


class SystemNames:
    """``servers`` are the system's name servers, as of the last ``refresh``; the hosts file is asked first.

    Files that are missing or cannot be read count as empty; without a name server that of this machine is
    asked (resolv.conf(5)).
    """

    def __init__(self, hosts: Path = HOSTS, resolv_conf: Path = RESOLV_CONF) -> None:
        self.servers: tuple[Server, ...] = ()
        self._files = {hosts: self._take_hosts, resolv_conf: self._take_servers}
        self._stamps: dict[Path, _Stamp | None] = {}
        self._hosts: dict[str, tuple[str, ...]] = {}
        self._looked_at: float | None = None
        self._looking = asyncio.Lock()

    def addresses(self, name: str) -> tuple[str, ...] | None:
        """The addresses of a name that the hosts file has, None when it is for the name servers.

        RFC 6761 §6.3: ``localhost`` and what is below it is this machine, and no name server is asked.
        """
        known = self._hosts.get(name)
        if known is None and (name == "localhost" or name.endswith(".localhost")):
            return _LOCALHOST
        return known

    async def refresh(self, now: float) -> bool:
        """Read what has changed, at most every ``LOOK_AGAIN_S``; True when there are other name servers.

        Who asks while another reads waits for that: at first nothing is known at all.
        """
        async with self._looking:
            if self._looked_at is not None and now - self._looked_at < LOOK_AGAIN_S:
                return False
            before = self.servers
            changed = await asyncio.to_thread(self._read_changed)
            # Nothing is noted before all is taken over: whoever waited here may have given up.
            self._looked_at = now
            for path, stamp, text in changed:
                self._stamps[path] = stamp
                self._files[path](text)
            return self.servers != before

    def _read_changed(self) -> list[tuple[Path, _Stamp | None, str]]:
        stamps = {path: _stamp(path) for path in self._files}
        return [
            (path, stamp, _text(path))
            for path, stamp in stamps.items()
            if path not in self._stamps or stamp != self._stamps[path]
        ]

    def _take_hosts(self, text: str) -> None:
        self._hosts = parse_hosts(text.splitlines())

    def _take_servers(self, text: str) -> None:
        self.servers = parse_servers(text.splitlines()) or (("127.0.0.1", DNS_PORT),)


def parse_hosts(lines: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Addresses by name in lower case (hosts(5)); lines that make no sense are passed over."""
    found: dict[str, tuple[str, ...]] = {}
    for line in lines:
        address, *names = line.partition("#")[0].split() or [""]
        literal = ip_literal(address)
        if literal is None:
            continue
        for name in names:
            key = name.lower().removesuffix(".")
            if len(found) >= _MAX_HOSTS and key not in found:
                return found
            if literal not in found.get(key, ()):
                found[key] = (*found.get(key, ()), literal)
    return found


def parse_servers(lines: Iterable[str]) -> tuple[Server, ...]:
    """The ``nameserver`` lines of resolv.conf(5), the first eight."""
    found = []
    for line in lines:
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            literal = ip_literal(words[1])
            if literal is not None:
                found.append((literal, DNS_PORT))
    return tuple(found[:_MAX_SERVERS])


def _stamp(path: Path) -> _Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_MAX_FILE)
    except OSError:
        return ""
