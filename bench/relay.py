"""G.711 calls, both directions, 20 ms a packet: CPU per relayed packet, delay, loss, and memory per call."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.build import program
from bench.plan import LOAD_CPU, MEDIA_A, MEDIA_B, SERVER
from bench.plot import MOST_LINES, Point, Series, line_charts
from bench.process import Argv, BenchError, run
from bench.procfs import Meter, memory_bytes
from bench.relays import GCM, RELAYS, Relay
from bench.results import Memory, Row, Sample
from bench.session import Session

WARM_UP_S = 1.0
PACKET = "relayed packet, "
SECURE = ", SRTP on one side"
TIMEOUT_MARGIN_S = 20


def measure(
    session: Session, *, srtp: bool = False, more: Sequence[Relay] = (), plots: Path | None = None
) -> None:
    """At each number of calls the relays take turns; memory is read at the largest number.

    With ``srtp`` those that can are measured with SRTP on side B too, right after plain packets.
    A drawing of what a packet costs with ``plots``.
    """
    for calls in session.settings.streams:
        relays = session.present([*RELAYS, *([GCM] if srtp else []), *more])
        for _ in range(session.settings.runs):
            relays = [
                relay
                for relay in relays
                if all(session.attempt(relay, _timed(calls, srtp=each)) for each in _ways(relay, srtp=srtp))
            ]
    if plots:
        (plots / "relay-cost.svg").write_text(costs(session.report.rows()), encoding="utf-8")
    if srtp:
        session.report.notes += differences(session.report.rows())


def _ways(relay: Relay, *, srtp: bool) -> tuple[bool, ...]:
    """Whether SRTP is spoken, in turn."""
    if not (srtp and relay.srtp):
        return (False,)
    return (True,) if relay is GCM else (False, True)


def costs(rows: Sequence[Row]) -> str:
    """The drawing: CPU of a packet by the number of calls, a line for each relay."""
    lines: dict[str, list[Point]] = {}
    for row in rows:
        if row.measure.startswith(PACKET):
            calls = row.measure.removeprefix(PACKET).split()[0]
            name = row.server + (", SRTP" if row.measure.endswith(SECURE) else "")
            lines.setdefault(name, []).append(Point(float(calls), row.cpu_us))
    drawn = [Series(name, points) for name, points in lines.items()][:MOST_LINES]
    return line_charts("A relayed packet of G.711", "calls", "CPU us", drawn)


def differences(rows: Sequence[Row]) -> list[str]:
    """A sentence for each relay and number of calls: what SRTP on one side adds to a packet."""
    cost = {(row.measure, row.server): row.cpu_us for row in rows}
    return [
        f"SRTP on one side: {server}, {measure.removeprefix(PACKET).removesuffix(SECURE)}: "
        f"{cpu_us:.2f} us, {cpu_us - cost[plain]:+.2f} us beside a plain packet."
        for (measure, server), cpu_us in cost.items()
        if measure.endswith(SECURE) and (plain := (measure.removesuffix(SECURE), server)) in cost
    ]


def sample(relay: str, result: dict[str, Any], cpu_s: float, wall_s: float) -> Sample:
    """What rtp_load has printed, with the relay's CPU time beside it.

    rtp_load counts packets only after its warm-up; the relay's CPU time is of all of them.
    Raises BenchError when nothing came back.
    """
    if not result["received"]:
        raise BenchError(f"none of {result['sent']} packets came back")
    forwarded = result["received"] * (result["seconds"] + WARM_UP_S) / result["seconds"]
    secure = SECURE if result["srtp"] else ""
    return Sample(
        measure=f"{PACKET}{result['calls']} calls{secure}",
        server=relay,
        cpu_us=cpu_s * 1e6 / forwarded,
        per_s=result["received"] / result["seconds"],
        failed=max(0.0, result["loss_pct"] / 100),
        busy=cpu_s / wall_s,
        p99_us=result["p99_us"],
        p50_us=result["p50_us"],
    )


def load(calls: int, seconds: float, options: tuple[str, ...]) -> dict[str, Any]:
    """Run rtp_load and read what it prints; raises BenchError when it fails."""
    argv: Argv = [program("rtp_load"), "-n", str(calls), "-d", str(seconds), "-w", str(WARM_UP_S)]
    argv += ["-c", str(LOAD_CPU), "-l", MEDIA_A.ip, "-r", SERVER.ip]
    argv += ["-A", str(MEDIA_A.port), "-B", str(MEDIA_B.port), *options]
    result: dict[str, Any] = json.loads(run(argv, timeout_s=seconds + WARM_UP_S + TIMEOUT_MARGIN_S))
    return result


def _timed(calls: int, *, srtp: bool) -> Callable[[Session, Relay], None]:
    def timed(session: Session, relay: Relay) -> None:
        folder = session.work_folder(relay.name)
        with relay.start(folder, calls, srtp=srtp) as relaying:
            with Meter(relaying.pid) as meter:
                result = load(calls, session.settings.seconds, relaying.load_options)
            grown = memory_bytes(relaying.pid) - relaying.bytes_before
        session.add(sample(relay.name, result, meter.cpu_s, meter.wall_s))
        known = {(memory.unit, memory.server) for memory in session.report.memories}
        if (
            not srtp
            and calls == max(session.settings.streams)
            and relaying.bytes_before
            and ("relayed call", relay.name) not in known
        ):
            session.add(Memory("relayed call", relay.name, grown / calls, calls, settled=False))

    return timed
