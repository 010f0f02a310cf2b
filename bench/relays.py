"""The media relays under measurement: Trunkline, rtpengine, and floors that do nothing but forward."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Protocol

from bench.build import program
from bench.ng import SRTP_SUITE, Control
from bench.plan import LOAD_CPU, MEDIA_A, MEDIA_B, RELAY_PORTS, ROOT, RTPENGINE_CONTROL, SERVER_CPU
from bench.process import Argv, BenchError, find, running
from bench.procfs import memory_bytes
from bench.sip_servers import TRUNKLINE

FLOOR_FIRST_PORT = 10000
FLOOR_STEP = 4
WARM_UP_CALLS = 20


@dataclass(frozen=True, slots=True)
class Relaying:
    """A relay that is ready for media."""

    pid: int
    load_options: tuple[str, ...]
    """What rtp_load must be told to find its ports."""
    bytes_before: int
    """Memory before the calls were set up; 0 where that cannot be told apart from the start."""


class Relay(Protocol):
    """Something that forwards RTP between `plan.MEDIA_A` and `plan.MEDIA_B`."""

    name: str
    install: str
    srtp: bool
    """Whether side B may speak SRTP."""

    def available(self) -> bool:
        """Whether it is installed."""

    def start(self, folder: Path, calls: int, *, srtp: bool) -> AbstractContextManager[Relaying]:
        """Run it with that many calls set up while the block does."""


@contextmanager
def _held(folder: Path, calls: int) -> Iterator[tuple[str, ...]]:
    """Calls through the SIP server on `plan.SERVER`, held while the block runs."""
    ports = folder / f"ports-{calls}"
    argv = [sys.executable, "-m", "bench.held_calls", "--calls", str(calls), "--ports-file", str(ports)]
    with running(argv, cpu=LOAD_CPU, log=folder / "held.log", cwd=ROOT, talks=True) as process:
        said = _first_line(process)
        if not said.startswith("ready"):
            raise BenchError(f"the calls could not be set up: {said or 'see ' + str(folder / 'held.log')}")
        yield ("-P", str(ports))
        process.communicate(timeout=120)


def _first_line(process: Popen[str]) -> str:
    """What a program of ours says first: each of them bounds the time until then by itself."""
    return process.stdout.readline().strip() if process.stdout else ""


@dataclass(slots=True)
class TrunklineRelay:
    """The exchange itself, with calls set up over SIP."""

    name: str = TRUNKLINE.name
    install: str = TRUNKLINE.install
    srtp: bool = False

    def available(self) -> bool:
        """Whether this checkout has been set up."""
        return TRUNKLINE.available()

    @contextmanager
    def start(self, folder: Path, calls: int, *, srtp: bool) -> Iterator[Relaying]:
        """A few calls first, so that pools and caches do not count as streams."""
        with TRUNKLINE.start(folder, users=0) as process:
            with _held(folder, WARM_UP_CALLS):
                pass
            before = memory_bytes(process.pid)
            with _held(folder, calls) as options:
                yield Relaying(process.pid, options, before)


@dataclass(slots=True)
class EngineAlone:
    """Our media engine without the exchange around it: what the relay itself costs and keeps."""

    name: str = "trunkline engine"
    install: str = "make setup"
    srtp: bool = True
    suite: str = SRTP_SUITE

    def available(self) -> bool:
        """Whether the compiled module is in its place."""
        return importlib.util.find_spec("trunkline._native._engine") is not None

    @contextmanager
    def start(self, folder: Path, calls: int, *, srtp: bool) -> Iterator[Relaying]:
        """Its ports are opened by commands, as the exchange does it."""
        ports = folder / "ports"
        argv: Argv = [sys.executable, "-m", "bench.engine_ports"]
        argv += ["--calls", str(calls), "--ports-file", ports, *(["--srtp", self.suite] if srtp else [])]
        with running(argv, cpu=SERVER_CPU, log=folder / "log", cwd=ROOT, talks=True) as process:
            if _first_line(process) != "started" or process.stdin is None:
                raise BenchError("the media engine did not start")
            before = memory_bytes(process.pid)
            process.stdin.write("open\n")
            process.stdin.flush()
            if not _first_line(process).startswith("ready"):
                raise BenchError("the media engine could not open its ports")
            yield Relaying(process.pid, ("-P", str(ports)), before)


@dataclass(slots=True)
class Rtpengine:
    """rtpengine in user space: its kernel module is another product, and needs root and its headers."""

    name: str = "rtpengine"
    install: str = "apt-get install rtpengine-daemon"
    srtp: bool = True

    def available(self) -> bool:
        """Whether the program is installed."""
        return find("rtpengine") is not None

    @contextmanager
    def start(self, folder: Path, calls: int, *, srtp: bool) -> Iterator[Relaying]:
        """Run it in the foreground and set the calls up over its control protocol."""
        ip = RTPENGINE_CONTROL.ip
        argv: Argv = [
            find("rtpengine") or "rtpengine",
            "--foreground",
            "--log-stderr",
            "--log-level=4",
            "--table=-1",
        ]
        argv += ["--config-file=none", f"--pidfile={folder / 'pid'}", f"--interface={ip}"]
        argv += [f"--listen-ng={RTPENGINE_CONTROL}", "--timeout=300", "--silent-timeout=600"]
        argv += [f"--port-min={RELAY_PORTS[0]}", f"--port-max={RELAY_PORTS[1]}"]
        with (
            running(argv, cpu=SERVER_CPU, log=folder / "log", cwd=folder) as process,
            Control(RTPENGINE_CONTROL) as control,
        ):
            control.ask("ping")
            for index in range(WARM_UP_CALLS):
                control.open_call(f"warm-{index}", MEDIA_A, MEDIA_B, srtp=srtp)
                control.close_call(f"warm-{index}")
            before = memory_bytes(process.pid)
            opened = [control.open_call(f"bench-{n}", MEDIA_A, MEDIA_B, srtp=srtp) for n in range(calls)]
            ports = folder / "ports"
            ports.write_text("".join(f"{entry.line()}\n" for entry in opened))
            yield Relaying(process.pid, ("-P", str(ports)), before)


@dataclass(slots=True)
class Floor:
    """Our C relay: connected sockets, epoll, nothing else. What user space cannot go below."""

    name: str
    look_every_us: int
    """0 to wake up for every packet, or how long packets may wait for each other."""
    program: str = "relay_floor"
    more: tuple[str, ...] = ()
    install: str = "apt-get install gcc"
    srtp: bool = False

    def available(self) -> bool:
        """Whether the bench could compile it."""
        return program(self.program).exists()

    @contextmanager
    def start(self, folder: Path, calls: int, *, srtp: bool) -> Iterator[Relaying]:
        """Run it with its ports in arithmetic progression."""
        first = ("-a", str(FLOOR_FIRST_PORT), "-b", str(FLOOR_FIRST_PORT + 2), "-S", str(FLOOR_STEP))
        argv: Argv = [
            program(self.program),
            "-n",
            str(calls),
            "-t",
            str(self.look_every_us),
            *self.more,
            *first,
        ]
        argv += ["-l", MEDIA_A.ip, "-g", MEDIA_A.ip, "-A", str(MEDIA_A.port), "-B", str(MEDIA_B.port)]
        with running(argv, cpu=SERVER_CPU, log=folder / "log", cwd=folder, talks=True) as process:
            if not _first_line(process).startswith("ready"):
                raise BenchError("the relay floor did not start: are its ports in use?")
            yield Relaying(process.pid, first, bytes_before=0)


@dataclass(slots=True)
class External:
    """A relay that somebody else has started and set up, and that is never stopped."""

    pid: int
    ports_file: Path
    name: str = "external relay"
    install: str = ""
    srtp: bool = True

    def available(self) -> bool:
        """Always: it was named on the command line."""
        return True

    @contextmanager
    def start(self, folder: Path, calls: int, *, srtp: bool) -> Iterator[Relaying]:
        """It has to run, and its file must have a line for every call."""
        if not Path(f"/proc/{self.pid}").exists():
            raise BenchError(f"no process {self.pid}")
        yield Relaying(self.pid, ("-P", str(self.ports_file)), bytes_before=0)


RELAYS: tuple[Relay, ...] = (
    TrunklineRelay(),
    EngineAlone(),
    Rtpengine(),
    Floor("C floor", 0),
    Floor("C floor, 1 ms", 1000),
    Floor("C floor, batches", 0, more=("-m",)),
    Floor("C floor, io_uring", 0, program="relay_uring", install="apt-get install liburing-dev"),
)
GCM = EngineAlone("trunkline engine AES-GCM", suite="AEAD_AES_128_GCM")
"""Beside the others where SRTP is measured: it relays plain packets as the engine alone does."""
