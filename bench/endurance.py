"""Memory over many calls and registrations: does it stay where it is?

Load comes in portions; after each, the memory of the exchange is read. The line is drawn as SVG, and its slope over
the second half of the run, in bytes for each call or registration, is the figure to judge by: what is kept for
RFC 3261's 32 seconds, and caches that fill up to their bounds, rise in the first half alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.calls import HOLD_MS, Load, callee, place_calls
from bench.plan import FIRST_USER
from bench.plot import Point, line_chart
from bench.procfs import memory_bytes
from bench.register import register_all
from bench.results import Memory
from bench.session import Session
from bench.sip_servers import CALL_SERVERS, SipServer

PORTIONS = 40
_MEBIBYTE = 1 << 20


def slope(points: Sequence[Point]) -> float:
    """How much y grows for each x over the second half of the points (least squares)."""
    half = points[len(points) // 2 :]
    mean_x = sum(point.x for point in half) / len(half)
    mean_y = sum(point.y for point in half) / len(half)
    spread = sum((point.x - mean_x) ** 2 for point in half)
    return sum((point.x - mean_x) * (point.y - mean_y) for point in half) / spread if spread else 0.0


def measure(session: Session, *, calls: int, registrations: int, rate: int, plots: Path) -> None:
    """Both, one after the other, each with an exchange of its own; plots go into a folder."""
    ours = [server for server in CALL_SERVERS if server.name == "trunkline"]
    for server in session.present(ours):
        if registrations:
            session.attempt(server, lambda s, one: _registrations(s, one, registrations, plots))
        if calls:
            session.attempt(server, lambda s, one: _calls(s, one, calls, rate, plots))


def _registrations(session: Session, server: SipServer, total: int, plots: Path) -> None:
    users = max(1, total // PORTIONS)

    def portion(count: int) -> int:
        register_all(FIRST_USER, count)
        return count

    with server.start(session.work_folder(server.name), users) as process:
        portion(users)  # from now on each of them refreshes
        points = list(_portions(session, total, portion, process.pid))
    _keep(session, "registration", points, plots / "memory-registrations.svg")


def _calls(session: Session, server: SipServer, total: int, rate: int, plots: Path) -> None:
    folder = session.work_folder(server.name)

    def portion(count: int) -> int:
        return place_calls(Load(count, rate, HOLD_MS), server, folder).succeeded

    with server.start(folder, users=0) as process, callee(folder):
        points = list(_portions(session, total, portion, process.pid))
    _keep(session, "call", points, plots / "memory-calls.svg")


def _portions(session: Session, total: int, portion: Callable[[int], int], pid: int) -> Iterator[Point]:
    yield Point(0, memory_bytes(pid))
    done, size = 0, max(1, total // PORTIONS)
    while done < total:
        done += portion(min(size, total - done))
        point = Point(done, memory_bytes(pid))
        session.say(f"{done:>9,} of {total:,}: {point.y / _MEBIBYTE:.1f} MiB")
        yield point


def _keep(session: Session, unit: str, points: list[Point], plot: Path) -> None:
    total = int(points[-1].x)
    session.add(Memory(f"left behind by a {unit}", "trunkline", slope(points), total, settled=False))
    drawn = [Point(point.x, point.y / _MEBIBYTE) for point in points]
    plot.parent.mkdir(parents=True, exist_ok=True)
    plot.write_text(
        line_chart(f"Memory of the exchange over {total:,} {unit}s", f"{unit}s", "MiB", drawn),
        encoding="utf-8",
    )
    session.say(f"drawn: {plot}")
