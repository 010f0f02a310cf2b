"""What the system allows: open files, socket buffers, IPv6."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from trunkline.app.check.finding import Case, Finding, Findings
from trunkline.app.file_limit import FileLimit, file_limit
from trunkline.app.settings import Settings
from trunkline.net import NetSettings
from trunkline.net.udp import set_buffers

_say = Findings("limits")


def limits(case: Case) -> Iterator[Finding]:
    """Files, buffers, IPv6."""
    settings = case.loaded.settings
    running = case.running.pid if case.running is not None else None
    yield files(file_limit(settings, allowed_files(running)))
    yield from buffers(*granted_buffers(), NetSettings())
    yield ipv6(settings, binds=case.loaded.host is None or case.loaded.host.binds_ipv6)


def allowed_files(pid: int | None, proc: Path = Path("/proc")) -> int:
    """The hard limit of this process, or that of the running exchange, which may have another."""
    if pid is not None:
        try:
            lines = (proc / str(pid) / "limits").read_text().splitlines()
            hard = next(line for line in lines if line.startswith("Max open files")).split()[4]
        except (OSError, StopIteration, IndexError):
            pass  # another user's process: ours is as good a guess
        else:
            return int(hard) if hard.isdecimal() else resource.RLIM_INFINITY
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def files(limit: FileLimit) -> Finding:
    """Enough for the media ports alone, at least."""
    if limit.enough:
        return _say.ok(f"{limit.allowed} files may be open, {limit.wanted} are needed at most")
    what, _, mend = limit.problem().partition(": ")
    if limit.allowed < limit.media:
        return _say.fail(what, mend)
    return _say.warn(what, mend)


def granted_buffers() -> tuple[int, int]:
    """Bytes of the receive and the send buffer that a SIP socket gets (socket(7): the kernel tells twice that)."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        set_buffers(probe, NetSettings())
        received = probe.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        sent = probe.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    return received // 2, sent // 2


def buffers(received: int, sent: int, wanted: NetSettings) -> Iterator[Finding]:
    """What a burst of registrations fits into."""
    for name, got, want, key in (
        ("receive", received, wanted.receive_buffer, "net.core.rmem_max"),
        ("send", sent, wanted.send_buffer, "net.core.wmem_max"),
    ):
        shown = f"the {name} buffer of a SIP socket has {got >> 10} KiB"
        if got >= want:
            yield _say.ok(shown)
        else:
            mend = f"sysctl {key}={want}, or the right CAP_NET_ADMIN: a burst may be lost"
            yield _say.warn(f"{shown}, and {want >> 10} are wanted", mend)


def ipv6(settings: Settings, *, binds: bool) -> Finding:
    """Listeners against what the host has."""
    wanted = any(":" in one.address.host for one in settings.sip.listen)
    if wanted and not binds:
        return _say.fail(
            "a listener has an IPv6 address, and this host has no IPv6", "take it out, or enable IPv6"
        )
    if binds and not wanted:
        return _say.ok("this host has IPv6, and no listener uses it")
    return _say.ok("IPv6 is used" if wanted else "this host has no IPv6, and no listener wants it")
