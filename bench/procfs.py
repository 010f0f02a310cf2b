"""CPU time and memory of a process and its descendants, read from /proc."""

import os
import time
from collections import defaultdict
from pathlib import Path
from types import TracebackType
from typing import Self

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def idle_seconds(cpu: int) -> float:
    """How long a processor did nothing since the system's start, in seconds: idle, waiting for disks, or taken away by
    other machines (proc(5): idle, iowait, steal).
    """
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{cpu}":
            return (int(fields[3]) + int(fields[4]) + int(fields[7])) / TICKS_PER_S
    return 0.0


def stat_fields(text: str) -> list[str]:
    """The fields of /proc/PID/stat behind the command, which may hold blanks and brackets (proc(5))."""
    return text.rsplit(")", 1)[1].split()


def _stat(pid: int) -> list[str] | None:
    try:
        return stat_fields(Path(f"/proc/{pid}/stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None  # it ended while we looked


def tree(pid: int) -> list[int]:
    """The process and all its descendants."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children[int(fields[1])].append(int(entry.name))
    found, to_visit = [], [pid]
    while to_visit:
        found.append(to_visit.pop())
        to_visit += children[found[-1]]
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of the process tree, with that of children it has waited for, in seconds."""
    ticks = 0
    for member in tree(pid):
        if fields := _stat(member):
            ticks += sum(int(value) for value in fields[11:15])
    return ticks / TICKS_PER_S


def proportional_bytes(smaps_rollup: str) -> int:
    """The Pss of a /proc/PID/smaps_rollup: pages shared by n processes count 1/n in each, in bytes."""
    for line in smaps_rollup.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def memory_bytes(pid: int) -> int:
    """The memory of the process tree (proportional set size), in bytes."""
    total = 0
    for member in tree(pid):
        try:
            total += proportional_bytes(Path(f"/proc/{member}/smaps_rollup").read_text())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


class Meter:
    """`with Meter(pid) as meter: ...` reads the CPU time and the wall time spent inside the block."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.cpu_s = 0.0
        self.wall_s = 0.0

    def __enter__(self) -> Self:
        self._cpu, self._wall = cpu_seconds(self._pid), time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cpu_s = cpu_seconds(self._pid) - self._cpu
        self.wall_s = time.monotonic() - self._wall
