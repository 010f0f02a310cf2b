"""How many calls a relay carries before it loses its first packet: a search in steps that are bounded."""

import json
from collections.abc import Callable
from typing import Any

from bench import relay
from bench.build import program
from bench.plan import LOAD_CPU, MEDIA_A, MEDIA_B
from bench.process import Argv, BenchError, run
from bench.relays import EngineAlone, Floor, Relay, Rtpengine
from bench.rhythm import KERNEL, TARGETS, TIMEOUT_MARGIN_S, WARM_UP_S
from bench.session import Session
from bench.veth import GENERATOR_IP, RELAY_IP, cable, possible

STEPS = (500, 1000, 1500, 2000, 2400)
"""The range of ports holds 2500 calls."""
LEAST_SENT = 0.99
"""A generator that sent less of what it was to send is what has come to its end."""
PACKETS_OF_A_CALL = 100
RELAYS: tuple[Relay, ...] = (EngineAlone(), Rtpengine(), Floor("C floor", 0))

Try = Callable[[int], dict[str, Any]]


def measure(session: Session) -> None:
    """Each relay alone, on the loopback; the kernel's path over a cable."""
    for each in session.present(RELAYS):
        _search(session, each.name, lambda calls, each=each: _loopback(session, each, calls))  # type: ignore[misc]
    if possible() and not session.settings.servers:
        _search(session, KERNEL, lambda calls: _over_a_cable(session, calls))


def verdict(result: dict[str, Any]) -> str:
    """What one step showed: empty when all packets were sent and came, else what was missing."""
    lost = result["sent"] - result["received"]
    if lost > 0:
        return f"{lost:,} of {result['sent']:,} packets were lost"
    offered = result["sent"] / (result["calls"] * PACKETS_OF_A_CALL * result["seconds"])
    return f"the generator came to its end: it sent {offered:.0%}" if offered < LEAST_SENT else ""


def search(attempt: Try) -> tuple[int, int, str]:
    """The most calls that went through, the fewest that did not (0: all did), and what ended it."""
    good = 0
    for step in STEPS:
        if not (said := verdict(attempt(step))):
            good = step
            continue
        middle = (good + step) // 2
        if not (again := verdict(attempt(middle))):
            return middle, step, said
        return good, middle, again
    return good, 0, ""


def _search(session: Session, name: str, attempt: Try) -> None:
    try:
        good, bad, why = search(attempt)
    except BenchError as error:
        session.leave_out(name, str(error))
        return
    text = f"; at {bad} {why}" if bad else ", the most that was tried"
    session.report.notes.append(f"{name}: no packet lost with {good} calls{text}.")
    session.say(session.report.notes[-1])


def _loopback(session: Session, each: Relay, calls: int) -> dict[str, Any]:
    with each.start(session.work_folder(each.name), calls, srtp=False) as relaying:
        return relay.load(calls, session.settings.seconds, relaying.load_options)


def _over_a_cable(session: Session, calls: int) -> dict[str, Any]:
    with cable(steered=True) as names, TARGETS[KERNEL](session, names, calls) as options:
        argv: Argv = [program("rtp_load"), "-n", str(calls), "-d", str(session.settings.seconds)]
        argv += ["-w", str(WARM_UP_S), "-c", str(LOAD_CPU), "-l", GENERATOR_IP, "-r", RELAY_IP]
        argv += ["-A", str(MEDIA_A.port), "-B", str(MEDIA_B.port), *options]
        timeout_s = session.settings.seconds + WARM_UP_S + TIMEOUT_MARGIN_S
        result: dict[str, Any] = json.loads(run(names.at(names.generator, argv), timeout_s=timeout_s))
        return result
