"""Calls without media, sipp on both sides: CPU per call at equal rates, and memory per call in progress."""

import csv
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen, TimeoutExpired

from bench.plan import (
    BENCH,
    CALLEE,
    CALLEE_NUMBER,
    CALLER,
    CALLER_NUMBER,
    DOMAIN,
    LOAD_CPU,
    PASSWORD,
    SERVER,
    Address,
)
from bench.process import Argv, BenchError, find, running
from bench.procfs import Meter, memory_bytes
from bench.results import Memory, Sample
from bench.session import Session
from bench.sip_servers import CALL_SERVERS, SipServer

HOLD_MS = 20
HELD_RATE = 100
WARM_UP_CALLS = 200
WARM_UP_RATE = 100
MOST_AT_ONCE = 3000
MARGIN_S = 3
SIPP_INSTALL = "apt-get install sip-tester"


@dataclass(frozen=True, slots=True)
class Load:
    """What the caller is asked to do."""

    calls: int
    rate: int
    hold_ms: int

    @property
    def seconds(self) -> float:
        """From the first call's start to the last call's end, if the server keeps up."""
        return self.calls / self.rate + self.hold_ms / 1000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the caller counted."""

    succeeded: int
    failed: int
    retransmissions: int


def measure(session: Session) -> None:
    """At each rate the servers take turns; then the memory of a call in progress, in a run of its own."""
    if find("sipp") is None:
        session.leave_out("calls", SIPP_INSTALL)
        return
    for rate in session.settings.rates:
        servers = session.present(CALL_SERVERS)
        for _ in range(session.settings.runs):
            servers = [server for server in servers if session.attempt(server, _timed_at(rate))]
    for server in session.present(CALL_SERVERS):
        if server.keeps_calls:
            session.attempt(server, _memory)


def read_outcome(statistics: str) -> Outcome:
    """The last line of a sipp statistics file; columns ending in (C) are cumulative.

    Raises BenchError when there is no line behind the headings.
    """
    rows = list(csv.DictReader(statistics.splitlines(), delimiter=";"))
    if not rows:
        raise BenchError("sipp wrote no statistics")
    last = rows[-1]
    return Outcome(
        int(last["SuccessfulCall(C)"]), int(last["FailedCall(C)"]), int(last["Retransmissions(C)"])
    )


def sample(server: SipServer, load: Load, outcome: Outcome, cpu_s: float, wall_s: float) -> Sample:
    """A timed run as a sample; `wall_s` runs from the first call's start to the last one's end.

    Raises BenchError when no call succeeded.
    """
    if not outcome.succeeded:
        raise BenchError(f"none of {load.calls} calls succeeded at {load.rate}/s")
    return Sample(
        measure=f"call, {load.rate}/s",
        server=server.name if server.challenges else f"{server.name} (no challenge)",
        cpu_us=cpu_s * 1e6 / outcome.succeeded,
        per_s=outcome.succeeded / wall_s,
        failed=outcome.failed / (outcome.succeeded + outcome.failed),
        busy=cpu_s / wall_s,
        asked_per_s=load.rate,
    )


def sipp_argv(scenario: str, at: Address) -> Argv:
    """What both sides of sipp have in common; its own screen and its questions are off."""
    argv: Argv = [find("sipp") or "sipp", "-sf", BENCH / "scenarios" / scenario]
    argv += ["-i", at.ip, "-p", str(at.port), "-nostdin", "-buff_size", "8000000"]
    return argv


def caller_argv(load: Load, *, challenged: bool, statistics: Path) -> Argv:
    """The calling side of sipp for one load; it gives up after four times the planned time."""
    argv = sipp_argv("call_challenged.xml" if challenged else "call.xml", CALLER)
    argv += [str(SERVER), "-s", CALLEE_NUMBER, "-key", "caller", CALLER_NUMBER, "-key", "domain", DOMAIN]
    argv += ["-au", CALLER_NUMBER, "-ap", PASSWORD] if challenged else []
    argv += ["-m", str(load.calls), "-r", str(load.rate), "-l", str(MOST_AT_ONCE), "-d", str(load.hold_ms)]
    argv += ["-mp", "6000", "-recv_timeout", "10000", "-timeout", str(int(load.seconds * 4 + 20))]
    argv += ["-trace_stat", "-stf", statistics, "-fd", "1"]
    return argv


@contextmanager
def callee(folder: Path) -> Iterator[None]:
    """sipp as the callee of all calls, while the block runs."""
    argv = [*sipp_argv("callee.xml", CALLEE), "-mp", "7000"]
    with running(argv, cpu=LOAD_CPU, log=folder / "callee.log", cwd=folder) as process:
        time.sleep(0.5)  # sipp gives no sign when it listens
        if process.poll() is not None:
            raise BenchError(f"the callee's sipp ended with {process.returncode}")
        yield


def _wait_for_caller(caller: Popen[str], load: Load) -> None:
    """Until sipp has ended by itself; its exit code is not asked, as its statistics count failed calls."""
    try:
        caller.wait(load.seconds * 4 + 30)
    except TimeoutExpired as error:
        raise BenchError("the caller's sipp did not end") from error


def place_calls(load: Load, server: SipServer, folder: Path) -> Outcome:
    """Place that many calls and wait for their ends; raises BenchError when sipp does not end."""
    statistics = folder / f"calls-{load.rate}-{load.calls}.csv"
    argv = caller_argv(load, challenged=server.challenges, statistics=statistics)
    with running(argv, cpu=LOAD_CPU, log=folder / "caller.log", cwd=folder) as caller:
        _wait_for_caller(caller, load)
    return read_outcome(statistics.read_text() if statistics.exists() else "")


def _timed_at(rate: int) -> Callable[[Session, SipServer], None]:
    def timed(session: Session, server: SipServer) -> None:
        folder = session.work_folder(server.name)
        load = Load(int(rate * session.settings.seconds), rate, HOLD_MS)
        with server.start(folder, users=0) as process, callee(folder):
            place_calls(Load(WARM_UP_CALLS, WARM_UP_RATE, HOLD_MS), server, folder)
            with Meter(process.pid) as meter:
                outcome = place_calls(load, server, folder)
        session.add(sample(server, load, outcome, meter.cpu_s, meter.wall_s))

    return timed


def _memory(session: Session, server: SipServer) -> None:
    """Calls that all last until the slowest has been answered, and their transactions have gone."""
    settings, folder = session.settings, session.work_folder(server.name)
    ready_s = settings.held_calls / HELD_RATE + settings.settle_s + MARGIN_S
    load = Load(settings.held_calls, HELD_RATE, int(1000 * (ready_s + MARGIN_S)))
    statistics = folder / "held.csv"
    argv = caller_argv(load, challenged=server.challenges, statistics=statistics)
    with server.start(folder, users=0) as process, callee(folder):
        place_calls(Load(WARM_UP_CALLS, WARM_UP_RATE, HOLD_MS), server, folder)
        time.sleep(settings.settle_s)
        before = memory_bytes(process.pid)
        with running(argv, cpu=LOAD_CPU, log=folder / "held.log", cwd=folder) as caller:
            time.sleep(ready_s)
            grown = memory_bytes(process.pid) - before
            _wait_for_caller(caller, load)
    outcome = read_outcome(statistics.read_text() if statistics.exists() else "")
    if outcome.succeeded < load.calls:
        raise BenchError(f"only {outcome.succeeded} of {load.calls} calls could be held")
    session.add(
        Memory("call in progress", server.name, grown / load.calls, load.calls, settings.settle_s > 0)
    )
