"""REGISTER, 401, REGISTER with digest, 200 over UDP: CPU per registration and memory per contact."""

import json
import time
from typing import Any

from bench.build import program
from bench.plan import DOMAIN, FIRST_USER, LOAD_CPU, PASSWORD, SERVER, USER_PREFIX, WARM_UP_USERS
from bench.process import Argv, BenchError, run
from bench.procfs import Meter, memory_bytes
from bench.results import Memory, Sample
from bench.session import Session
from bench.sip_servers import REGISTRARS, SipServer

IN_FLIGHT = 32
ALL_USERS_TIMEOUT_S = 120.0


def measure(session: Session) -> None:
    """Time the registrars in turns, then read the memory of each in a run of its own."""
    servers = session.present(REGISTRARS)
    for _ in range(session.settings.runs):
        servers = [server for server in servers if session.attempt(server, _timed)]
    for server in servers:
        session.attempt(server, _memory)


def sample(server: str, result: dict[str, Any], cpu_s: float, wall_s: float) -> Sample:
    """What register_load has printed, with the server's CPU time beside it.

    Raises BenchError when no registration succeeded.
    """
    if not result["ok"]:
        raise BenchError(f"no registration succeeded; last failure: {result['last_failure'] or 'no answer'}")
    return Sample(
        measure="REGISTER with digest",
        server=server,
        cpu_us=cpu_s * 1e6 / result["ok"],
        per_s=result["per_s"],
        failed=result["failed"] / (result["ok"] + result["failed"]),
        busy=cpu_s / wall_s,
        p99_us=result["p99_us"],
    )


def _load(first: int, users: int, seconds: float, *, each_once: bool) -> dict[str, Any]:
    argv: Argv = [program("register_load"), "-s", SERVER.ip, "-p", str(SERVER.port), "-c", str(LOAD_CPU)]
    argv += ["-u", USER_PREFIX, "-f", str(first), "-n", str(users), "-a", PASSWORD, "-r", DOMAIN]
    argv += ["-w", str(IN_FLIGHT), "-d", str(seconds), *(["-1"] if each_once else [])]
    result: dict[str, Any] = json.loads(run(argv, timeout_s=seconds + 10))
    return result


def register_all(first: int, users: int) -> None:
    """Register each of the users once; raises BenchError when one could not."""
    result = _load(first, users, ALL_USERS_TIMEOUT_S, each_once=True)
    if result["ok"] < users:
        answer = result["last_failure"] or "no answer"
        raise BenchError(f"{users - result['ok']} of {users} users could not register: {answer}")


def _timed(session: Session, server: SipServer) -> None:
    """Each user has registered before: phones mostly refresh, and that is cheaper than a first contact."""
    settings = session.settings
    with server.start(session.work_folder(server.name), settings.users + WARM_UP_USERS) as process:
        register_all(FIRST_USER, settings.users)
        with Meter(process.pid) as meter:
            result = _load(FIRST_USER, settings.users, settings.seconds, each_once=False)
    session.add(sample(server.name, result, meter.cpu_s, meter.wall_s))


def _memory(session: Session, server: SipServer) -> None:
    settings = session.settings
    with server.start(session.work_folder(server.name), settings.users + WARM_UP_USERS) as process:
        register_all(FIRST_USER + settings.users, WARM_UP_USERS)
        time.sleep(settings.settle_s)
        before = memory_bytes(process.pid)
        register_all(FIRST_USER, settings.users)
        time.sleep(settings.settle_s)
        grown = memory_bytes(process.pid) - before
    session.add(
        Memory(
            "registered contact", server.name, grown / settings.users, settings.users, settings.settle_s > 0
        )
    )
