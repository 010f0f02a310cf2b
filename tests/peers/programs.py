"""Where the peers' programs are; a missing one fails the test with the line that installs it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parents[2]
TRUNKLINE = ROOT / ".venv" / "bin" / "trunkline"

PACKAGES = {
    "baresip": "baresip-core",
    "caddy": "caddy",
    "chromium": "chromium",
    "ffmpeg": "ffmpeg",
    "sipp": "sip-tester",
    "kamailio": "kamailio",
    "linphonec": "linphone-cli",
    "nginx": "nginx-light",
    "node": "nodejs",
    "rtpengine": "rtpengine-daemon",
    "svmap": "sipvicious",
    "svwar": "sipvicious",
    "svcrack": "sipvicious",
    "systemd-analyze": "systemd",
    "tshark": "tshark",
}
_PLACES = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"


class MissingPeerError(AssertionError):
    """A peer that the test needs is not installed."""


def program(name: str) -> str:
    """The path of a peer's program; raises ``MissingPeerError`` with the install line."""
    found = shutil.which(name, path=_PLACES)
    if found is None:
        install = f"apt-get install --no-install-recommends {PACKAGES[name]}"
        raise MissingPeerError(f"{name} is not installed: {install}  (or: make setup-test)")
    return found


def trunkline_program() -> str:
    """The installed command ``trunkline`` of this checkout."""
    if not TRUNKLINE.exists():
        raise MissingPeerError(f"{TRUNKLINE} does not exist: make setup")
    return str(TRUNKLINE)


class Process(Protocol):
    """What is asked of a child when it is to end."""

    @property
    def returncode(self) -> int | None:
        """None while it runs."""

    def terminate(self) -> None:
        """SIGTERM."""

    def kill(self) -> None:
        """SIGKILL."""

    async def wait(self) -> int:
        """The return code."""


async def end_process(process: Process, grace_s: float = 0.0) -> int:
    """End a child by its own pid: SIGTERM and ``grace_s`` seconds when given, then SIGKILL."""
    if process.returncode is None and grace_s > 0:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), grace_s)
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    return await process.wait()
