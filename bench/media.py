"""What the engine does beyond relaying, on real sockets: CPU time for 20 ms of one party, beside plain relaying.

Parties speak a packet each 20 ms, all of them all the time. CPU time is that of the engine's process.
"""

import json
import os
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from select import EPOLLIN, epoll
from typing import Any

from bench import speech
from bench.build import program
from bench.plan import LOAD_CPU, MEDIA_A, ROOT, SERVER, SERVER_CPU
from bench.plot import Point, Series, line_charts
from bench.process import Argv, BenchError, run, running
from bench.procfs import Meter
from bench.results import Row, Sample
from bench.session import Session

MEASURE = "20 ms of one party"
WARM_UP_S = 1.0
TIMEOUT_MARGIN_S = 20
BEATS_OF_A_SECOND = 50
LONGEST_FRAME = 9216
UNDER_WAY = 2
"""Packets of each party that a jitter buffer may hold when the generator stops counting."""


@dataclass(frozen=True, slots=True)
class Work:
    """Something the engine does with so many parties at once."""

    name: str
    does: str
    """As `media_ports` knows it."""
    codecs: tuple[str, ...]
    """What the parties speak, in turn."""
    parties: int
    beside: str = ""
    """The work that it is compared with."""

    @property
    def server(self) -> str:
        """As it stands in the table."""
        return f"{self.name}, {self.parties} parties"


def _room(codec: str, members: int) -> Work:
    beside = MANY.server if codec == "PCMU" else FEW.server
    return Work(f"conference, {codec}", "room", (codec,), members, beside)


def _large(members: int, talkers: int) -> Work:
    codecs = ("opus",) * talkers + (speech.SILENT,) * (members - talkers)
    return Work(f"conference, opus, {talkers} talk", "room", codecs, members, MANY.server)


MANY = Work("relayed", "relay", ("PCMU",), 200)
FEW = Work("relayed", "relay", ("PCMU",), 40)
WORKS: tuple[Work, ...] = (
    MANY,
    FEW,
    Work("converted, PCMU and G722", "convert", ("PCMU", "G722"), 200, MANY.server),
    Work("converted, PCMU and opus", "convert", ("PCMU", "opus"), 40, FEW.server),
    Work("relayed and recorded", "record", ("PCMU",), 200, MANY.server),
    Work("relayed, heard by programs", "tap", ("PCMU",), 100, MANY.server),
    Work("relayed, listened to for keys", "keys", ("PCMU",), 200, MANY.server),
    Work("relayed, listened to for voices", "voice", ("PCMU",), 200, MANY.server),
    Work("relayed, listened to for signals", "progress", ("PCMU",), 200, MANY.server),
    *(_room("PCMU", members) for members in (10, 50, 100, 200)),
    *(_room("opus", members) for members in (10, 20, 50)),
    _large(200, 200),
    _large(200, 3),
)


def measure(session: Session, plots: Path | None = None) -> None:
    """All works take turns; a drawing of the conferences with ``plots``."""
    for _ in range(session.settings.runs):
        for work in WORKS:
            try:
                session.add(_timed(session, work))
            except BenchError as error:
                session.leave_out(work.server, str(error))
    rows = {row.server: row for row in session.report.rows() if row.measure == MEASURE}
    session.report.notes += [note(work, rows) for work in WORKS if work.server in rows]
    if plots:
        (plots / "conference-cost.svg").write_text(conferences(rows), encoding="utf-8")


def sample(work: Work, result: dict[str, Any], cpu_s: float, wall_s: float) -> Sample:
    """What rtp_speakers has printed, with the engine's CPU time beside it.

    The generator counts packets only after its warm-up; the CPU time is of all of them. Raises BenchError when
    nothing came back.
    """
    if not result["received"]:
        raise BenchError(f"nothing came back of {result['sent']} packets")
    spoken = result["sent"] * (result["seconds"] + WARM_UP_S) / result["seconds"]
    return Sample(
        measure=MEASURE,
        server=work.server,
        cpu_us=cpu_s * 1e6 / spoken,
        per_s=result["received"] / result["seconds"],
        failed=max(0.0, 1 - (result["received"] + UNDER_WAY * work.parties) / result["sent"]),
        busy=cpu_s / wall_s,
    )


def note(work: Work, rows: dict[str, Row]) -> str:
    """A sentence about one work: what it costs, beside what, and how much of a processor all parties take."""
    row = rows[work.server]
    share = row.cpu_us * work.parties * BEATS_OF_A_SECOND / 1e6
    beside = rows.get(work.beside)
    ratio = f", {row.cpu_us / beside.cpu_us:.2f} of {work.beside}" if beside else ""
    return f"{work.server}: {row.cpu_us:.2f} us{ratio}; {share:.1%} of a processor."


def conferences(rows: dict[str, Row]) -> str:
    """The drawing: cost of a member by the size of the conference."""
    rooms: dict[str, list[Point]] = {}
    for work in WORKS:
        if work.does == "room" and len(set(work.codecs)) == 1 and work.server in rows:
            rooms.setdefault(work.codecs[0], []).append(Point(work.parties, rows[work.server].cpu_us))
    lines = [Series(codec, points) for codec, points in rooms.items()]
    return line_charts("A member of a conference for 20 ms", "members, all of whom speak", "CPU us", lines)


def _timed(session: Session, work: Work) -> Sample:
    folder = session.work_folder(work.does)
    with Taps(folder / "taps") if work.does == "tap" else nullcontext(), _working(folder, work) as pid:
        argv: Argv = [program("rtp_speakers"), "-n", str(work.parties), "-d", str(session.settings.seconds)]
        argv += ["-w", str(WARM_UP_S), "-c", str(LOAD_CPU), "-l", MEDIA_A.ip, "-r", SERVER.ip]
        argv += ["-A", str(MEDIA_A.port), "-P", folder / "ports"]
        with Meter(pid) as meter:
            said = run(argv, timeout_s=session.settings.seconds + WARM_UP_S + TIMEOUT_MARGIN_S)
    return sample(work, json.loads(said), meter.cpu_s, meter.wall_s)


@contextmanager
def _working(folder: Path, work: Work) -> Iterator[int]:
    argv: Sequence[str | Path] = [
        sys.executable, "-m", "bench.media_ports", "--work", work.does, "--codecs", ";".join(work.codecs),
        "--parties", str(work.parties), "--folder", folder,
    ]  # fmt: skip
    with running(argv, cpu=SERVER_CPU, log=folder / "log", cwd=ROOT, talks=True) as process:
        if process.stdin is None or process.stdout is None or process.stdout.readline().strip() != "started":
            raise BenchError("the media engine did not start")
        process.stdin.write("open\n")
        process.stdin.flush()
        if not process.stdout.readline().startswith("ready"):
            raise BenchError(f"the media engine could not be set up: {(folder / 'log').read_text()[-400:]}")
        yield process.pid


class Taps:
    """Takes the sockets of programs that hear, and reads them empty, in a thread of its own."""

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._poll = epoll()
        self._held: set[int] = set()
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._take), threading.Thread(target=self._read)]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()
        self._poll.close()
        for fd in self._held:
            os.close(fd)

    def _take(self) -> None:
        try:
            giver, _ = self._listener.accept()
        except OSError:
            return  # nobody came
        with giver:
            while (received := socket.recv_fds(giver, 1, 1))[0]:
                for fd in received[1]:
                    self._held.add(fd)
                    self._poll.register(fd, EPOLLIN)

    def _read(self) -> None:
        while not self._ends.is_set():
            for fd, _ in self._poll.poll(0.1):
                if not os.read(fd, LONGEST_FRAME):
                    self._poll.unregister(fd)
