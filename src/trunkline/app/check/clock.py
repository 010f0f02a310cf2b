"""The clock: registrations, certificates, nonces and records all go by it."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from trunkline.app.check.finding import Case, Finding, Findings

_say = Findings("clock")
_FIRST_YEAR, _LAST_YEAR = 2025, 2100
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
_TIMEX_BYTES = 512  # struct timex has 208; modes 0 in front only asks
_SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
_SLACK_S = 60.0


def clock(case: Case) -> Iterator[Finding]:
    """Its year, whether something keeps it right, and whether it has gone back."""
    now = time.time()
    yield year(now)
    yield synchronised(kernel_state(), timesync=_SYNCHRONISED.exists())
    yield from gone_back(case.data.path, now)
    if not time.get_clock_info("monotonic").monotonic:
        yield _say.fail("the system has no monotonic clock", "timers need one: use another kernel")


def year(now: float) -> Finding:
    """A board without a battery begins in 1970."""
    shown = datetime.fromtimestamp(now, UTC)
    if _FIRST_YEAR <= shown.year <= _LAST_YEAR:
        return _say.ok(f"it is {shown:%Y-%m-%d %H:%M:%S} UTC")
    return _say.fail(f"the clock says {shown:%Y-%m-%d %H:%M} UTC", "set it, and let NTP keep it")


def kernel_state() -> int | None:
    """What adjtimex(2) returns: 0 to 4 for a clock that is kept right, 5 for one that is not; None: unknown."""
    try:
        ask = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    state = int(ask(ctypes.create_string_buffer(_TIMEX_BYTES)))
    return state if state >= 0 else None


def synchronised(state: int | None, *, timesync: bool) -> Finding:
    """By the kernel's word, else by that of systemd-timesyncd."""
    if timesync or (state is not None and state != _TIME_ERROR):
        return _say.ok("the clock is kept right (NTP)")
    mend = "timedatectl set-ntp true, or install chrony; in a container or virtual machine the host does it"
    if state is None:
        return _say.warn("it cannot be told whether the clock is kept right", mend)
    return _say.warn("nothing keeps the clock right: NTP is not synchronised", mend)


def gone_back(folder: Path, now: float) -> Iterator[Finding]:
    """Files of the store that were written in the future."""
    for name in ("trunkline.db", "trunkline.db-wal"):
        try:
            written = os.stat(folder / name).st_mtime  # noqa: PTH116  (its folder may be forbidden)
        except OSError:
            continue
        if written > now + _SLACK_S:
            yield _say.warn(
                f"{name} was written {written - now:.0f} s in the future: the clock has gone back",
                "registrations may seem to last too long until the clock has caught up",
            )
            return
