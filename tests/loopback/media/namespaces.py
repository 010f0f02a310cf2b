"""Network namespaces joined by cables (veth), for tests that need interfaces of their own."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

CLONE_NEWNET = 0x4000_0000
_libc = ctypes.CDLL(None, use_errno=True)


class Cable(NamedTuple):
    """A cable from the exchange to the network of one phone."""

    phones: str
    """The namespace at the far end."""
    exchange_ip: str
    phone_ip: str


def ip(*words: str) -> str:
    """Run `ip`; AssertionError with what it said when it fails."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False, timeout=20)
    assert not done.returncode, (
        f"ip {' '.join(words)}: {done.stderr.strip()} (these tests need root: CAP_NET_ADMIN)"
    )
    return done.stdout


@contextmanager
def within(namespace: str) -> Iterator[None]:
    """This thread is in the namespace while the block runs; sockets made there stay there."""
    with (
        Path("/proc/thread-self/ns/net").open("rb") as before,
        Path("/run/netns", namespace).open("rb") as there,
    ):
        _enter(there.fileno())
        try:
            yield
        finally:
            _enter(before.fileno())


def _enter(fd: int) -> None:
    if _libc.setns(fd, CLONE_NEWNET):
        error = ctypes.get_errno()
        raise OSError(error, f"setns: {os.strerror(error)}")


@contextmanager
def cabled(exchange: str, cables: list[Cable]) -> Iterator[None]:
    """The exchange's namespace and those of the phones, each at the end of a cable; all removed afterwards.

    Interfaces of the exchange are named ``to0``, ``to1``, ...
    """
    with ExitStack() as stack:
        for name in (exchange, *(cable.phones for cable in cables)):
            ip("netns", "add", name)
            stack.callback(ip, "netns", "delete", name)
            ip("-n", name, "link", "set", "lo", "up")
        for number, cable in enumerate(cables):
            near = f"to{number}"
            ip(
                "-n",
                exchange,
                "link",
                "add",
                near,
                "type",
                "veth",
                "peer",
                "name",
                "up0",
                "netns",
                cable.phones,
            )
            for name, device, address in (
                (exchange, near, cable.exchange_ip),
                (cable.phones, "up0", cable.phone_ip),
            ):
                length, extra = ("64", ["nodad"]) if ":" in address else ("24", [])
                ip("-n", name, "address", "add", f"{address}/{length}", "dev", device, *extra)
                ip("-n", name, "link", "set", device, "up")
            # A phone that is told an address of the exchange on another network reaches it through its cable.
            family = ["-6"] if ":" in cable.exchange_ip else []
            ip("-n", cable.phones, *family, "route", "add", "default", "via", cable.exchange_ip)
        yield
