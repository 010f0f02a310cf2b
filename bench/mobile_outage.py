"""`python -m bench outage`: how fast a registrar is asked when it comes back after an outage, and after our restart.

In virtual time, in which hours take seconds: the registrations are the gateway's own, the network and the registrar
are in memory. Retransmissions are counted as what they are for the registrar, more requests.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Final

from bench.plot import Point, line_chart
from bench.session import Session
from tests.link import virtual_time
from tests.link.carrier import Carrier, Office
from trunkline.proto.sip.message import Request

BINDINGS: Final = 10_000
PER_S: Final = 20.0
BUCKET_S: Final = 10.0
STEADY_S: Final = 6_000.0
BEFORE_S: Final = 300.0
OUTAGE_S: Final = 900.0
AFTER_S: Final = 1_500.0


def per_second(at: list[float], begun: float, ended: float) -> list[Point]:
    """How many there were in each second, over `BUCKET_S`; x is in minutes since ``begun``."""
    counts = Counter(int((one - begun) // BUCKET_S) for one in at if begun <= one < ended)
    buckets = int((ended - begun) // BUCKET_S)
    return [Point(index * BUCKET_S / 60, counts[index] / BUCKET_S) for index in range(buckets)]


class _Scene:
    """A gateway's registrations, and a registrar that may be silent."""

    def __init__(self, bindings: int) -> None:
        self.office = Office()
        self.office.start(per_s=PER_S)
        self.carrier = Carrier(self.office.network)
        self.carrier.answer_with = self._grant
        self.silent = False
        self.asked: list[float] = []
        self.office.network.drop = self._drop
        self.plans = [self.office.plan(id=f"{index:032x}", password="") for index in range(bindings)]

    def _drop(self, data: bytes, _source: tuple[str, int], target: tuple[str, int]) -> bool:
        self.office.network.log.clear()
        if target[0] != self.carrier.host:
            return False
        if data.startswith(b"REGISTER"):
            self.asked.append(self.office.loop.time())
        return self.silent

    def _grant(self, request: Request) -> tuple[int, str]:
        self.carrier.asked.clear()
        return 200, f"Contact: {request.headers['Contact']}\r\n"

    def registered(self) -> int:
        """How many bindings the registrar holds, as the gateway knows."""
        now = self.office.loop.time()
        return sum(one.is_registered(now) for one in self.office.registrations)


async def _outage(bindings: int) -> tuple[list[Point], int, list[Point]]:
    scene = _Scene(bindings)
    office = scene.office
    office.registrations.add_all([(plan, None) for plan in scene.plans])
    await asyncio.sleep(STEADY_S)
    begun = office.loop.time()
    await asyncio.sleep(BEFORE_S)
    scene.silent = True
    await asyncio.sleep(OUTAGE_S)
    scene.silent = False
    await asyncio.sleep(AFTER_S)
    ended = office.loop.time()
    missing = bindings - scene.registered()
    office.kill()
    office.start(per_s=PER_S)
    office.registrations.add_all([(plan, office.journal.get(plan.id)) for plan in scene.plans])
    await asyncio.sleep(AFTER_S)
    office.registrations.close()
    return (
        per_second(scene.asked, begun, ended),
        missing,
        per_second(scene.asked, ended, office.loop.time()),
    )


def measure(session: Session, plots: Path, bindings: int = BINDINGS) -> None:
    """Draw both."""
    outage, missing, restart = virtual_time.run(_outage(bindings))
    silent = f"{OUTAGE_S / 60:.0f} minutes"
    for name, title, points in (
        ("mobile-outage", f"A registrar of {bindings:,} accounts is silent for {silent}", outage),
        ("mobile-restart", f"A gateway with {bindings:,} accounts is started again", restart),
    ):
        plot = plots / f"{name}.svg"
        plot.parent.mkdir(parents=True, exist_ok=True)
        plot.write_text(line_chart(title, "minutes", "REGISTER/s", points), encoding="utf-8")
        session.say(f"drawn: {plot}")
    session.report.notes.append(
        f"{bindings} accounts in virtual time: at most {max(point.y for point in outage):.1f} REGISTER/s around an "
        f"outage of {silent}, {missing} not registered {AFTER_S / 60:.0f} minutes after it; at most "
        f"{max(point.y for point in restart):.1f}/s after a restart."
    )
