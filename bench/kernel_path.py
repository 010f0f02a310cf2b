"""Forwarding in the kernel: what one packet costs there, beside a floor that does nothing but forward.

A sender works on each packet within the system call that sends it: over the cable, through the program, back over
the cable. What the same packet costs on its way to a socket at the far end is measured in the same run; the
difference is what forwarding adds. No interrupt between processors is in these figures.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from subprocess import Popen
from typing import Any

from bench.build import compile_bpf, program
from bench.plan import LOAD_CPU, MEDIA_A, MEDIA_B, ROOT, SERVER_CPU
from bench.process import Argv, BenchError, run, running
from bench.results import Sample
from bench.session import Session
from bench.veth import GENERATOR_IP, RELAY_DEVICE, RELAY_IP, Cable, cable, possible

CALLS = 500
FIRST_PORT = 10000
SINK_PORT = 50000
STEP = 4
PACKETS = 400_000
STEADY_S = 6.0
"""The engine hands a stream over when it has been steady for a second, and learns its way out then."""
READ_EVERY_S = 1.5
"""The engine reads the kernel's counters once a second."""
PACKET_S = 0.02
LEAST_HANDED = 0.95
PACKETS_OF_A_CALL = 2 / PACKET_S
SINK = """
import socket, sys
first, count, step, ip = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
held = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
for number, each in enumerate(held):
    each.bind((ip, first + step * number))
print("ready", flush=True)
sys.stdin.read()
"""


def measure(session: Session) -> None:
    """The socket, the floor and the engine take turns."""
    if not possible():
        session.leave_out("kernel path", "needs root: network namespaces and programs in the kernel")
        return
    spent: dict[str, list[float]] = {"socket": [], "tc floor": [], "trunkline engine, kernel": []}
    targets = dict(zip(spent, (_socket, tc_floor, _engine), strict=True))
    for _ in range(session.settings.runs):
        for name, target in targets.items():
            with cable() as names, target(session, names) as options:
                spent[name].append(_blast(session, names, name, options))
    _conclude(session, {name: median(values) for name, values in spent.items()})


def _blast(session: Session, names: Cable, name: str, options: Argv) -> float:
    argv: Argv = [program("rtp_blast"), "-n", str(CALLS), "-k", str(PACKETS), "-c", str(LOAD_CPU)]
    argv += ["-l", GENERATOR_IP, "-r", RELAY_IP, "-A", str(MEDIA_A.port), *options]
    result: dict[str, Any] = json.loads(run(names.at(names.generator, argv), timeout_s=60))
    each_ns = float(result["median_ns"])
    session.add(Sample("sent and forwarded packet", name, each_ns / 1e3, result["per_s"], 0.0, 1.0))
    return each_ns


def _conclude(session: Session, spent: dict[str, float]) -> None:
    floor, ours = (spent[name] - spent["socket"] for name in ("tc floor", "trunkline engine, kernel"))
    calls = 1e9 / ours / PACKETS_OF_A_CALL if ours > 0 else 0.0
    session.report.notes.append(
        f"Forwarding in the kernel adds {ours:.0f} ns a packet, the floor's {floor:.0f} ns ({ours / floor:.2f} of it), "
        f"to a packet that goes to a socket ({spent['socket']:.0f} ns). A sender and forwarder together take "
        f"{spent['trunkline engine, kernel']:.0f} ns; {calls:,.0f} calls a core follow from forwarding alone "
        "(an extrapolation: 100 packets a second for each call, no network card)."
    )


@contextmanager
def _socket(session: Session, names: Cable) -> Iterator[Argv]:
    argv: Argv = [sys.executable, "-c", SINK, str(SINK_PORT), str(min(CALLS, 3800)), "4", RELAY_IP]
    with started(session, names.at(names.relay, argv), "socket"):
        yield ["-a", str(SINK_PORT), "-S", "4"]


@contextmanager
def tc_floor(_session: Session, names: Cable) -> Iterator[Argv]:
    """The program that does nothing but forward, at the relay's end of the cable."""
    compiled = str(compile_bpf("tc_floor"))
    tc: Argv = ["tc", "qdisc", "add", "dev", RELAY_DEVICE, "clsact"]
    run(names.at(names.relay, tc), timeout_s=10)
    tc = [
        "tc",
        "filter",
        "add",
        "dev",
        RELAY_DEVICE,
        "ingress",
        "bpf",
        "direct-action",
        "object-file",
        compiled,
    ]
    run(names.at(names.relay, [*tc, "section", "classifier"]), timeout_s=10)
    yield ["-a", str(FIRST_PORT), "-S", str(STEP)]


@contextmanager
def _engine(session: Session, names: Cable) -> Iterator[Argv]:
    """Its calls are set up by commands and spoken on until the kernel has them."""
    ports = session.work_folder("kernel") / "ports"
    argv: Argv = [sys.executable, "-m", "bench.engine_ports", "--calls", str(CALLS), "--ports-file", ports]
    argv += ["--address", RELAY_IP, "--peer", GENERATOR_IP, "--kernel", RELAY_DEVICE]
    with started(session, names.at(names.relay, argv), "engine") as process:
        ask(process, "open")
        load: Argv = [
            program("rtp_load"),
            "-n",
            str(CALLS),
            "-d",
            str(STEADY_S),
            "-w",
            "0",
            "-c",
            str(LOAD_CPU),
        ]
        load += ["-l", GENERATOR_IP, "-r", RELAY_IP, "-A", str(MEDIA_A.port), "-B", str(MEDIA_B.port)]
        run(names.at(names.generator, [*load, "-P", str(ports)]), timeout_s=STEADY_S + 20)
        before = json.loads(ask(process, "figures"))
        if before["kernel_ports"] < 2 * CALLS * LEAST_HANDED:
            raise BenchError(
                f"the kernel has {before['kernel_ports']} of {2 * CALLS} directions: {before['kernel']}"
            )
        yield ["-P", str(ports), "-s", str(int(STEADY_S / PACKET_S))]
        time.sleep(READ_EVERY_S)
        after = json.loads(ask(process, "figures"))
        share = (after["kernel_packets"] - before["kernel_packets"]) / PACKETS
        session.say(f"the kernel forwarded {share:.1%} of the packets")


@contextmanager
def started(session: Session, argv: Argv, name: str) -> Iterator[Popen[str]]:
    """A program of ours that says something when it is there; raises BenchError when it does not."""
    log = session.work_folder(name) / "log"
    with running(argv, cpu=SERVER_CPU, log=log, cwd=ROOT, talks=True) as process:
        said = process.stdout.readline() if process.stdout else ""
        if not said:
            raise BenchError(f"{name} did not start: {log.read_text()[-400:]}")
        yield process


def ask(process: Popen[str], question: str) -> str:
    """A line for a program of ours, and the line that it says."""
    if process.stdin is None or process.stdout is None:
        raise BenchError("a program has no pipes")
    process.stdin.write(f"{question}\n")
    process.stdin.flush()
    return process.stdout.readline().strip()
