"""SIP, media, metrics and API ports: free, or held, and by whom."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from pathlib import Path

from trunkline.app.addresses import HostPort
from trunkline.app.check.finding import Case, Finding, Findings
from trunkline.app.from_settings import listeners_of
from trunkline.app.settings import Settings
from trunkline.app.settings.values import PortRange
from trunkline.base.errors import ConfigError
from trunkline.net.bind import bind
from trunkline.net.listener import Listener

_say = Findings("ports")
_PROC = Path("/proc")


def ports(case: Case) -> Iterator[Finding]:
    """Every listener, the media range, and the ports of metrics and API."""
    ours = {row.url for row in case.running.listeners} if case.running is not None else set()
    pid = case.running.pid if case.running is not None else 0
    for listener in listeners_of(case.loaded.settings, "0000"):
        yield _listener(listener, ours, pid)
    settings = case.loaded.settings
    if settings.relays:
        yield from media_ports(settings, running=case.running is not None)
    for name, section, address in (
        ("metrics", "metrics", settings.metrics.address),
        ("API", "api", settings.api.address),
    ):
        if address is not None:
            yield _http(name, section, address, running=case.running is not None)


def _listener(listener: Listener, ours: set[str], pid: int) -> Finding:
    name = f"{listener.transport.lower()}:{listener.address}"
    if name in ours:
        return _say.ok(f"{name} is held by our own exchange (pid {pid})")
    try:
        bind(listener).close()
    except ConfigError as error:
        return _say.fail(error.seen, error.hint or f"expected {error.expected}")
    return _say.ok(f"{name} is free")


def media_ports(settings: Settings, *, running: bool, proc: Path = _PROC) -> Iterator[Finding]:
    """The range against listeners, other programs and the kernel's own choices."""
    wanted = settings.media.ports
    inside = [
        one.url
        for one in settings.sip.listen
        if one.over_udp and wanted.first <= (one.address.port or 0) <= wanted.last
    ]
    for url in inside:
        yield _say.fail(
            f"{url} lies within the media ports {wanted}", "move the listener or narrow [media] ports"
        )
    taken = () if running else sorted(_bound_udp(proc) & set(range(wanted.first, wanted.last + 1)))
    if taken:
        yield _say.warn(
            f"{len(taken)} of the media ports {wanted} are in use by others, the first is {taken[0]}",
            "choose another range in [media] ports, or stop that program",
        )
    elif not inside:
        yield _say.ok(f"media ports {wanted}: {len(wanted) // 2} pairs")
    yield from _ephemeral(wanted, proc)


def _ephemeral(wanted: PortRange, proc: Path) -> Iterator[Finding]:
    """ip(7): the kernel gives ports of ip_local_port_range to whoever asks for none, unless they are reserved."""
    try:
        first, last = map(int, (proc / "sys/net/ipv4/ip_local_port_range").read_text().split())
        reserved = (proc / "sys/net/ipv4/ip_local_reserved_ports").read_text().strip()
    except (OSError, ValueError):
        return
    low, high = max(first, wanted.first), min(last, wanted.last)
    if low > high or _covers(reserved, low, high):
        return
    yield _say.warn(
        f"the kernel may give the media ports {low}-{high} to other programs",
        f"sysctl net.ipv4.ip_local_reserved_ports={low}-{high}, or another range in [media] ports",
    )


def _covers(reserved: str, low: int, high: int) -> bool:
    covered: set[int] = set()
    for part in filter(None, reserved.split(",")):
        first, _, last = part.partition("-")
        covered.update(range(int(first), int(last or first) + 1))
    return covered.issuperset(range(low, high + 1))


def _bound_udp(proc: Path) -> set[int]:
    """Ports of all UDP sockets of this host: column 2 of proc(5), /proc/net/udp."""
    found: set[int] = set()
    for table in ("net/udp", "net/udp6"):
        try:
            rows = (proc / table).read_text().splitlines()[1:]
        except OSError:
            continue
        found.update(int(row.split()[1].rpartition(":")[2], 16) for row in rows)
    return found


def _http(name: str, section: str, address: HostPort, *, running: bool) -> Finding:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address.host, address.port or 0))
            probe.listen(1)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and running:
            return _say.ok(f"{name} on {address}: in use while our own exchange runs")
        return _say.fail(
            f"{name} on {address}: {(error.strerror or str(error)).lower()}",
            f'another port in [{section}] listen, or "off"',
        )
    return _say.ok(f"{name} on {address}: free")
