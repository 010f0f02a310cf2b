"""Tell systemd how we are (sd_notify(3)): ready, reloading, stopping, still alive.

Without ``NOTIFY_SOCKET`` in the environment nothing is told and nothing runs. No library: the protocol is one
datagram of text.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Mapping


class ServiceManager:
    """The datagram socket that systemd gave us, if it gave one. ``close`` ends the watchdog's beat."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        given = os.environ if environment is None else environment
        self._address = _address_of(given.get("NOTIFY_SOCKET", ""))
        self._watchdog_s = _watchdog_of(given)
        self._beat: asyncio.TimerHandle | None = None

    @property
    def watchdog_s(self) -> float:
        """How often the service must show that it is alive, 0 when nobody asks."""
        return self._watchdog_s

    def ready(self) -> None:
        """The start, or a reload, is over. Starts the watchdog's beat when one is wanted."""
        self._tell("READY=1")
        if self._watchdog_s and self._beat is None:
            self._alive()

    def reloading(self) -> None:
        """A reload begins; ``ready`` ends it (Type=notify-reload wants the monotonic time too)."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, grace_s: float) -> None:
        """The stop has begun and may take this long: systemd waits for it."""
        self._tell(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={int((grace_s + 10) * 1_000_000)}")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._tell(f"STATUS={text.splitlines()[0] if text else ''}")

    def close(self) -> None:
        """Stop the beat."""
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None

    def _alive(self) -> None:
        # From the event loop: a loop that hangs stops the beat, and systemd starts us again.
        self._tell("WATCHDOG=1")
        self._beat = asyncio.get_running_loop().call_later(self._watchdog_s / 2, self._alive)

    def _tell(self, text: str) -> None:
        if not self._address:
            return
        # A service manager that went away is no reason to fail.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto(text.encode(), self._address)


def _address_of(text: str) -> str:
    if not text.startswith(("/", "@")):
        return ""
    return "\0" + text[1:] if text.startswith("@") else text


def _watchdog_of(environment: Mapping[str, str]) -> float:
    """Seconds of WATCHDOG_USEC when it is meant for this process (sd_watchdog_enabled(3))."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    usec = environment.get("WATCHDOG_USEC", "")
    return int(usec) / 1_000_000 if usec.isdecimal() else 0.0
