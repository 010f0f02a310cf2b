"""How many files the process may open: each socket of a media port and each connection is one."""

from __future__ import annotations

import contextlib
import resource
from dataclasses import dataclass

from trunkline.app.settings import Settings

FILES_PER_PAIR = 3  # an RTP and an RTCP socket, and what one of them is watched with
RESERVE = 256  # the store, logs, control and metrics clients, name resolution


@dataclass(frozen=True, slots=True)
class FileLimit:
    """Files that may be ``allowed`` at once, and what the settings may ask for at the very most."""

    allowed: int
    media: int
    connections: int

    @property
    def wanted(self) -> int:
        return self.media + self.connections + RESERVE

    @property
    def enough(self) -> bool:
        return self.allowed >= self.wanted

    def problem(self) -> str:
        """One line for people: what may happen, and what to do; empty when the limit is high enough."""
        if self.enough:
            return ""
        ports = f"all media ports ({self.media} files) with " if self.media else ""
        narrow = " or narrow [media] ports" if self.media else ""
        return (
            f"{self.allowed} files may be open, and {ports}{self.connections} connections need {self.wanted}: "
            f"raise the limit (LimitNOFILE= of the service, ulimit -n of the shell){narrow}"
        )


def file_limit(settings: Settings, allowed: int | None = None) -> FileLimit:
    """What may be opened (by default: what this process may raise its limit to) against what is wanted."""
    if allowed is None:
        allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    pairs = (len(settings.media.ports) + 1) // 2 if settings.relays else 0
    return FileLimit(
        (1 << 31) - 1 if allowed == resource.RLIM_INFINITY else allowed,
        pairs * FILES_PER_PAIR,
        settings.limits.connections,
    )


def raise_file_limit() -> int:
    """Lift the soft limit to the hard one: many systems start with 1024 files, 340 media ports. The limit now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # a system may allow less than it says
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
