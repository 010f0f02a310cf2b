"""`python -m bench`: measures Trunkline and, in the same run, the peers that are installed."""

import argparse
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

from bench import calls, endurance, flows, kernel_path, limits, media, mobile, register, relay, rhythm
from bench.build import build_programs, install_sippy
from bench.isolation import enter_own_network
from bench.plan import FULL, QUICK, Settings
from bench.process import BenchError, find
from bench.relays import External, Relay
from bench.session import Session
from bench.table import render

MEASURES = ("register", "calls", "relay")
IMAGES = Path("docs/images")
INTERRUPTED = 130
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def numbers(text: str) -> tuple[int, ...]:
    """A list such as `200,1000`."""
    return tuple(int(part) for part in text.split(","))


def external_relay(text: str) -> External:
    """A relay given as PID:FILE, the file being one that rtp_load can read."""
    pid, _, ports_file = text.partition(":")
    return External(int(pid), Path(ports_file))


def parse(argv: list[str]) -> tuple[argparse.Namespace, Settings]:
    """The command line, and the settings that follow from it."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "measure",
        choices=[
            *MEASURES,
            "all",
            "kernel",
            "rhythm",
            "limits",
            "media",
            "endurance",
            "flows",
            *mobile.MEASURES,
        ],
        nargs="?",
        default="all",
    )
    parser.add_argument("--quick", action="store_true", help="one short run of each; memory without settling")
    parser.add_argument("--json", action="store_true", help="print the report as JSON, not as a table")
    parser.add_argument("--runs", type=int, help="times that each server is measured at each load")
    parser.add_argument("--seconds", type=float, help="length of one timed run")
    parser.add_argument("--users", type=int, help="contacts to register")
    parser.add_argument("--rates", type=numbers, help="calls per second, such as 200,1000")
    parser.add_argument("--streams", type=numbers, help="calls with media at once, such as 100,500")
    parser.add_argument("--held-calls", type=int, help="calls in progress when their memory is read")
    parser.add_argument("--settle-s", type=float, help="wait before memory is read")
    parser.add_argument("--servers", type=lambda text: frozenset(text.split(",")), help="only these, by name")
    parser.add_argument("--srtp", action="store_true", help="relay: with SRTP on one side too")
    parser.add_argument(
        "--external",
        type=external_relay,
        metavar="PID:FILE",
        help="relay: also a process with its ports in FILE",
    )
    parser.add_argument("--devices", type=numbers, help="mobile devices at once, such as 10000,100000")
    parser.add_argument(
        "--plots", type=Path, help=f"folder for drawings; endurance draws into {IMAGES} without it"
    )
    long = parser.add_argument_group("endurance", "memory over many units, drawn as SVG; not part of `all`")
    long.add_argument("--calls", type=int, default=200_000, help="calls to place, one after the other")
    long.add_argument("--registrations", type=int, default=1_000_000, help="times that phones register again")
    long.add_argument("--rate", type=int, default=300, help="calls per second")
    options = parser.parse_args(argv)
    names = ("runs", "seconds", "users", "rates", "streams", "held_calls", "settle_s", "servers")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    return options, replace(QUICK if options.quick else FULL, **given)


def prepare(session: Session, wanted: tuple[str, ...], *, isolated: bool) -> None:
    """Build and install while there still is a network, then leave it."""
    if find("taskset") is None:
        raise BenchError("no taskset: apt-get install util-linux")
    build_programs()
    servers = session.settings.servers
    if "calls" in wanted and (not servers or "sippy" in servers):
        try:
            install_sippy()
        except BenchError as error:
            session.say(f"sippy could not be installed: {error}")
    if not isolated or not enter_own_network():
        session.report.notes.append("Measured on the machine's own loopback, not in a network namespace.")


def measure(session: Session, wanted: tuple[str, ...], options: argparse.Namespace) -> None:
    """Run the measurements that are wanted."""
    if "register" in wanted:
        register.measure(session)
    if "calls" in wanted:
        calls.measure(session)
    if "relay" in wanted:
        # A process that somebody else has started is not in a namespace of ours.
        more: Sequence[Relay] = [options.external] if options.external else []
        relay.measure(session, srtp=options.srtp, more=more, plots=options.plots)
    if "kernel" in wanted:
        kernel_path.measure(session)
    if "media" in wanted:
        media.measure(session, options.plots)
    if "rhythm" in wanted:
        rhythm.measure(session, options.plots)
    if "limits" in wanted:
        limits.measure(session)
    if "flows" in wanted:
        flows.measure(session)
    for name in mobile.MEASURES:
        if name in wanted:
            mobile.MEASURES[name](session, options)
    if "endurance" in wanted:
        endurance.measure(
            session,
            calls=options.calls,
            registrations=options.registrations,
            rate=options.rate,
            plots=options.plots or IMAGES,
        )


def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    """Leave in order: every child is stopped on the way out, and a second Ctrl-C does not disturb that."""
    for ignored in ENDING_SIGNALS:
        signal.signal(ignored, signal.SIG_IGN)
    raise KeyboardInterrupt


def main(argv: list[str]) -> int:
    """Measure and print; 1 when the bench itself cannot run, 130 when interrupted."""
    options, settings = parse(argv)
    wanted = MEASURES if options.measure == "all" else (options.measure,)
    for ending in ENDING_SIGNALS:
        signal.signal(ending, interrupt)
    with tempfile.TemporaryDirectory(prefix="trunkline-bench-") as folder:
        session = Session(settings, Path(folder))
        try:
            prepare(session, wanted, isolated=options.external is None)
            measure(session, wanted, options)
        except KeyboardInterrupt:
            return INTERRUPTED
        except BenchError as error:
            session.say(f"bench: {error}")
            return 1
    print(json.dumps(session.report.as_json(), indent=2) if options.json else render(session.report))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
