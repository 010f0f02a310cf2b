"""Relays under the rhythm of calls, over a cable between two network namespaces: the whole machine's cost, and delay.

What the kernel does for a packet is charged to no process. Receive work of the relay's end is therefore steered to the
server's processor, and what is read is how long that one was not idle: interrupts, forwarding, the relay itself.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

from bench.build import program
from bench.kernel_path import ask, started, tc_floor
from bench.ng import SRTP_SUITE
from bench.plan import LOAD_CPU, MEDIA_A, MEDIA_B, SERVER_CPU
from bench.plot import Point, Series, line_charts
from bench.process import Argv, BenchError
from bench.procfs import idle_seconds
from bench.results import Row, Sample
from bench.session import Session
from bench.veth import GENERATOR_IP, RELAY_DEVICE, RELAY_IP, Cable, cable, possible

FIRST_PORTS = ("-a", "10000", "-b", "10002", "-S", "4")
WARM_UP_S = 4.0
"""Streams are handed to the kernel, and their way out is learnt, before anything is counted."""
SETTLED_S = 0.2
IDLE_S = 1.0
TIMEOUT_MARGIN_S = 20
USER_SPACE, SECURE, KERNEL, FLOOR = (
    "trunkline engine", "trunkline engine, SRTP", "trunkline engine, kernel", "tc floor",
)  # fmt: skip
DRAWN = (USER_SPACE, KERNEL)

Target = Callable[[Session, Cable, int], AbstractContextManager[Argv]]


def measure(session: Session, plots: Path | None = None) -> None:
    """The targets take turns at each number of calls; a drawing of the delays with ``plots``."""
    if not possible():
        session.leave_out("rhythm", "needs root: network namespaces and programs in the kernel")
        return
    for calls in session.settings.streams:
        for _ in range(session.settings.runs):
            for name, target in TARGETS.items():
                try:
                    session.add(timed(session, name, target, calls))
                except BenchError as error:
                    session.leave_out(name, str(error))
    if plots:
        (plots / "relay-delay.svg").write_text(delays(session.report.rows()), encoding="utf-8")


def timed(session: Session, name: str, target: Target, calls: int) -> Sample:
    """One run of one target; raises BenchError when it could not be made."""
    with cable(steered=True) as names, target(session, names, calls) as options:
        idle = _idle_share(IDLE_S)
        argv: Argv = [program("rtp_load"), "-n", str(calls), "-d", str(session.settings.seconds)]
        argv += ["-w", str(WARM_UP_S), "-c", str(LOAD_CPU), "-l", GENERATOR_IP, "-r", RELAY_IP]
        argv += ["-A", str(MEDIA_A.port), "-B", str(MEDIA_B.port), *options]
        with Popen([str(word) for word in names.at(names.generator, argv)], stdout=PIPE, text=True) as load:
            time.sleep(WARM_UP_S + SETTLED_S)
            under_load = _idle_share(session.settings.seconds - 2 * SETTLED_S)
            said, _ = load.communicate(timeout=TIMEOUT_MARGIN_S)
    if load.returncode:
        raise BenchError(f"rtp_load ended with {load.returncode}")
    return sample(name, json.loads(said), max(0.0, idle - under_load))


def sample(name: str, result: dict[str, Any], busy: float) -> Sample:
    """What rtp_load has printed, and the share of the server's processor that was taken beyond its idle state."""
    if not result["received"]:
        raise BenchError(f"none of {result['sent']} packets came back")
    return Sample(
        measure=f"packet over a cable, {result['calls']} calls, whole processor",
        server=name,
        cpu_us=busy * 1e6 / (result["sent"] / result["seconds"]),
        per_s=result["received"] / result["seconds"],
        failed=max(0.0, result["loss_pct"] / 100),
        busy=busy,
        p99_us=result["p99_us"],
        p50_us=result["p50_us"],
    )


def delays(rows: list[Row]) -> str:
    """The drawing: median and 99th percentile of the delay by the number of calls."""
    lines: list[Series] = []
    for name in DRAWN:
        own = [row for row in rows if row.server == name and row.measure.startswith("packet over a cable")]
        at = [float(row.measure.split(", ")[1].split()[0]) for row in own]
        for kind, values in (("p50", [row.p50_us for row in own]), ("p99", [row.p99_us for row in own])):
            points = [Point(x, y) for x, y in zip(at, values, strict=True) if y is not None]
            lines.append(Series(f"{name}, {kind}", points))
    return line_charts("Delay through the relay and back over a cable", "calls", "microseconds", lines)


def _idle_share(seconds: float) -> float:
    idle, wall = idle_seconds(SERVER_CPU), time.monotonic()
    time.sleep(seconds)
    return (idle_seconds(SERVER_CPU) - idle) / (time.monotonic() - wall)


@contextmanager
def _floor(session: Session, names: Cable, calls: int) -> Iterator[Argv]:
    if calls > 3800:
        raise BenchError("the floor has 3800 calls at most")
    with tc_floor(session, names):
        yield list(FIRST_PORTS)


def _engine(*more: str) -> Target:
    @contextmanager
    def engine(session: Session, names: Cable, calls: int) -> Iterator[Argv]:
        ports = session.work_folder("engine") / "ports"
        argv: Argv = [
            sys.executable,
            "-m",
            "bench.engine_ports",
            "--calls",
            str(calls),
            "--ports-file",
            ports,
        ]
        argv += ["--address", RELAY_IP, "--peer", GENERATOR_IP, *more]
        with started(session, names.at(names.relay, argv), "engine") as process:
            ask(process, "open")
            yield ["-P", str(ports)]
            if "--kernel" in more:
                handed = json.loads(ask(process, "figures"))["kernel_packets"]
                session.say(f"the kernel forwarded {handed} packets")

    return engine


TARGETS: dict[str, Target] = {
    FLOOR: _floor,
    KERNEL: _engine("--kernel", RELAY_DEVICE),
    USER_SPACE: _engine(),
    SECURE: _engine("--srtp", SRTP_SUITE),
}
