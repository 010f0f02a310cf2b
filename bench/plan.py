"""What every measurement agrees on: paths, addresses, users, processors, and how long things take."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
BUILD = ROOT / "build" / "bench"

DOMAIN = "bench.test"
CALLER_NUMBER = "100"
CALLEE_NUMBER = "200"
USER_PREFIX = "u"
FIRST_USER = 100_000
PASSWORD = "secret"
WARM_UP_USERS = 500
"""Registered before memory is first read, so that pools and caches do not count as contacts."""


class Address(NamedTuple):
    """An IPv4 address and a UDP port."""

    ip: str
    port: int

    def __str__(self) -> str:
        return f"{self.ip}:{self.port}"


SERVER = Address("127.0.0.1", 5060)
CALLER = Address("127.0.0.2", 5080)
CALLEE = Address("127.0.0.3", 5070)
RTPENGINE_CONTROL = Address("127.0.0.1", 2223)
MEDIA_A = Address("127.0.0.1", 40000)
MEDIA_B = Address("127.0.0.1", 40002)
RELAY_PORTS = (20000, 29999)


def processors() -> tuple[int, int]:
    """The processors of the load and of the server; the same one where the machine has only one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[min(1, len(usable) - 1)]


LOAD_CPU, SERVER_CPU = processors()


@dataclass(frozen=True, slots=True)
class Settings:
    """How much is measured."""

    runs: int
    """Times that each server is measured at each load; the servers take turns."""
    seconds: float
    """Length of one timed run."""
    users: int
    """Contacts that are registered."""
    rates: tuple[int, ...]
    """Calls per second."""
    streams: tuple[int, ...]
    """Calls whose media is relayed at once."""
    held_calls: int
    """Calls in progress when the memory of a call is read."""
    settle_s: float
    """Wait before memory is read. RFC 3261's Timers H and J keep a transaction for 32 s."""
    servers: frozenset[str] = frozenset()
    """Names of the servers to measure; empty for all."""


FULL = Settings(
    runs=3, seconds=8, users=10_000, rates=(200, 1000), streams=(100, 500), held_calls=1000, settle_s=35
)
QUICK = Settings(
    runs=1, seconds=3, users=2_000, rates=(200, 1000), streams=(100, 500), held_calls=300, settle_s=0
)
