"""The SIP servers under measurement: Trunkline, Kamailio and sippy, each started the same way."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Protocol

from bench.build import SIPPY_PROGRAM
from bench.plan import (
    BENCH,
    CALLEE,
    CALLEE_NUMBER,
    CALLER_NUMBER,
    DOMAIN,
    FIRST_USER,
    PASSWORD,
    RELAY_PORTS,
    ROOT,
    SERVER,
    SERVER_CPU,
    USER_PREFIX,
    Address,
)
from bench.process import Argv, find, run, running
from bench.sip_probe import wait_until_it_answers

START_TIMEOUT_S = 60
METRICS = Address("127.0.0.1", 9464)


class SipServer(Protocol):
    """A server on `plan.SERVER` that knows our users and sends calls for the callee to `plan.CALLEE`."""

    name: str
    install: str
    challenges: bool
    """Whether it asks for credentials on INVITE."""
    keeps_calls: bool
    """Whether it remembers a call between its answer and its BYE."""

    def available(self) -> bool:
        """Whether it is installed."""

    def start(self, folder: Path, users: int) -> AbstractContextManager[Popen[str]]:
        """Run it in `folder` with that many users while the block does."""


@dataclass(slots=True)
class Trunkline:
    """The exchange itself, as an operator starts it."""

    name: str = "trunkline"
    install: str = "make setup"
    challenges: bool = True
    keeps_calls: bool = True
    listen: tuple[str, ...] = (f"udp:{SERVER}",)
    trusted: str = ""
    """A network that the guard lets do what strangers may not, such as asking thousands of times."""

    def _program(self) -> Path:
        return ROOT / ".venv" / "bin" / "trunkline"

    def available(self) -> bool:
        """Whether this checkout has been set up."""
        return self._program().exists()

    @contextmanager
    def start(self, folder: Path, users: int) -> Iterator[Popen[str]]:
        """Import the users, then `trunkline up`."""
        config, data, extensions = folder / "trunkline.toml", folder / "data", folder / "extensions.csv"
        config.write_text(trunkline_config(self.listen, self.trusted))
        extensions.write_text(extensions_csv(users))
        importing: Argv = [self._program(), "extension", "import", extensions, "--data", data]
        run(importing, timeout_s=180, cwd=folder)
        up: Argv = [self._program(), "up", "--config", config, "--data", data]
        with running(up, cpu=SERVER_CPU, log=folder / "log", cwd=folder) as process:
            wait_until_it_answers(SERVER, process, START_TIMEOUT_S)
            yield process


def trunkline_config(listen: tuple[str, ...] = (f"udp:{SERVER}",), trusted: str = "") -> str:
    """A configuration file with every listener on the loopback."""
    listeners = ", ".join(f'"{one}"' for one in listen)
    guard = f'[guard]\ntrusted = ["{trusted}"]\n\n' if trusted else ""
    return (
        f'domain = "{DOMAIN}"\n\n'
        f"{guard}[sip]\nlisten = [{listeners}]\n\n"
        f'[media]\naddress = "{SERVER.ip}"\nports = "{RELAY_PORTS[0]}-{RELAY_PORTS[1]}"\n\n'
        f'[metrics]\nlisten = "{METRICS}"\n'
    )


def extensions_csv(users: int) -> str:
    """The users to register, the caller, and the callee with its fixed address."""
    lines = ["number,password,name,contact"]
    lines += [f"{USER_PREFIX}{FIRST_USER + index},{PASSWORD},," for index in range(users)]
    lines.append(f"{CALLER_NUMBER},{PASSWORD},Caller,")
    lines.append(f"{CALLEE_NUMBER},{PASSWORD},Callee,sip:{CALLEE_NUMBER}@{CALLEE}")
    return "\n".join(lines) + "\n"


@dataclass(slots=True)
class Kamailio:
    """Kamailio with one of the configurations in `peers/`.

    It runs with its fast allocator: Debian's default is a checking one that costs more than the SIP work.
    """

    name: str
    config: str
    install: str = "apt-get install kamailio"
    challenges: bool = True
    keeps_calls: bool = False

    def available(self) -> bool:
        """Whether the program is installed."""
        return find("kamailio") is not None

    @contextmanager
    def start(self, folder: Path, users: int) -> Iterator[Popen[str]]:
        """Run it in the foreground with 512 MiB of shared memory."""
        program = find("kamailio") or Path("kamailio")
        argv: Argv = [program, "-DD", "-E", "-f", BENCH / "peers" / self.config, "-l", f"udp:{SERVER}"]
        argv += ["-m", "512", "-M", "16", "-x", "fm", "-X", "fm", "-Y", folder, "-P", folder / "pid"]
        for definition in (
            f"FIRST_USER={FIRST_USER}",
            f"LAST_USER={FIRST_USER + users}",
            f'SECRET="{PASSWORD}"',
            f'NEXT_HOP="sip:{CALLEE}"',
        ):
            argv += ["-A", definition]
        with running(argv, cpu=SERVER_CPU, log=folder / "log", cwd=folder) as process:
            wait_until_it_answers(SERVER, process, START_TIMEOUT_S)
            yield process


@dataclass(slots=True)
class Sippy:
    """sippy's simple B2BUA: pure Python, the nearest in kind. It challenges an INVITE only with RADIUS."""

    name: str = "sippy"
    install: str = "it is installed from PyPI into build/bench; see the message above"
    challenges: bool = False
    keeps_calls: bool = True

    def available(self) -> bool:
        """Whether the bench could install it."""
        return SIPPY_PROGRAM.exists()

    @contextmanager
    def start(self, folder: Path, users: int) -> Iterator[Popen[str]]:
        """Run it in the foreground without its log."""
        argv: Argv = [SIPPY_PROGRAM, "-f", "-l", SERVER.ip, "-p", str(SERVER.port), "-n", str(CALLEE)]
        quiet = {"SIPLOG_BEND": "none"}
        with running(argv, cpu=SERVER_CPU, log=folder / "log", env=quiet, cwd=folder) as process:
            wait_until_it_answers(SERVER, process, START_TIMEOUT_S)
            yield process


TRUNKLINE = Trunkline()
REGISTRARS: tuple[SipServer, ...] = (TRUNKLINE, Kamailio("kamailio", "kamailio_registrar.cfg"))
CALL_SERVERS: tuple[SipServer, ...] = (
    TRUNKLINE,
    Sippy(),
    Kamailio("kamailio proxy", "kamailio_proxy.cfg"),
)
