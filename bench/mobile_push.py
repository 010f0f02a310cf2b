"""`python -m bench push`: from the INVITE to the push that wakes the phone, and what the whole wake-up costs."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Final

import uvloop

from bench.mobile_apns import SwiftApns
from bench.mobile_exchange import SDP, Calling, OtherExchange
from bench.mobile_gateway import Gateway, token_of, user
from bench.mobile_rest import Rest
from bench.plan import SERVER
from bench.process import BenchError
from bench.procfs import Meter
from bench.results import Sample
from bench.session import Session

DEVICES: Final = 1_000
RATES: Final = (100, 300, 500)
WARM_UP_S: Final = 2.0
PATIENCE_S: Final = 15.0
REGISTERED_S: Final = 120.0
REST_CLIENTS: Final = 32


@dataclass(slots=True)
class Scene:
    """Who takes part beside the gateway."""

    exchange: OtherExchange
    rest: Rest | None = None
    tokens: tuple[str, ...] = ()
    placed: int = 0

    def pushed(self, payload: dict[str, str]) -> None:
        """A push has come."""
        one = self.exchange.calls.get(payload["callId"])
        if one is not None:
            one.pushed_at, one.token = asyncio.get_running_loop().time(), payload["callToken"]
            if self.rest is not None:
                self.rest.spawn(self._accept(one))

    async def _accept(self, one: Calling) -> None:
        """What a phone does that has woken, and whose user takes the call."""
        if self.rest is None:
            return
        bearer = self.tokens[int(one.user[1:])]
        await self.rest.ask("GET", f"/v1/calls/{one.token}", bearer)
        await self.rest.ask(
            "POST", f"/v1/calls/{one.token}/accept", bearer, {"sdp_answer": SDP.format(SERVER.ip, 41000)}
        )

    def place(self, prefix: str) -> Calling:
        """Call the next account."""
        self.placed += 1
        return self.exchange.call(f"{prefix}{self.placed}", user(self.placed % DEVICES))


def measure(session: Session, rates: tuple[int, ...]) -> None:
    """Both kinds of a call at each rate: given up while it rings, and taken by the app."""
    uvloop.run(_measure(session, rates))


async def _measure(session: Session, rates: tuple[int, ...]) -> None:
    for talks in (False, True):
        exchange = await OtherExchange.open(talks=talks)
        scene = Scene(exchange)
        apns = SwiftApns(scene.pushed)
        await apns.start()
        gateway = Gateway(DEVICES, apns.url, apns.authority.ca_pem)
        try:
            await _with_gateway(session, scene, gateway, rates)
        finally:
            await apns.stop()
            exchange.close()
            await asyncio.sleep(0.1)  # the address is free then


async def _with_gateway(session: Session, scene: Scene, gateway: Gateway, rates: tuple[int, ...]) -> None:
    loop, talks = asyncio.get_running_loop(), scene.exchange.talks
    with contextlib.ExitStack() as stack:
        starting = gateway.start(session.work_folder(gateway.name))
        process = await loop.run_in_executor(None, stack.enter_context, starting)
        await registered(scene.exchange, DEVICES)
        async with Rest(REST_CLIENTS) as rest:
            if talks:
                scene.rest, scene.tokens = rest, tuple(token_of(index) for index in range(DEVICES))
            await _run(scene, 50, WARM_UP_S, "w")
            for rate in rates:
                for _ in range(session.settings.runs):
                    with Meter(process.pid) as meter:
                        calls = await _run(scene, rate, session.settings.seconds, f"r{rate}x")
                    _keep(session, calls, rate, meter, talks=talks)
        await loop.run_in_executor(None, stack.close)


async def registered(exchange: OtherExchange, accounts: int, within_s: float = REGISTERED_S) -> None:
    """Wait until the gateway has registered all accounts."""
    there = asyncio.Event()

    def look() -> None:
        if len(exchange.contacts) >= accounts:
            there.set()

    exchange.on_grant = look
    look()
    try:
        async with asyncio.timeout(within_s):
            await there.wait()
    except TimeoutError:
        raise BenchError(f"{len(exchange.contacts)} of {accounts} accounts were registered in time") from None
    finally:
        exchange.on_grant = lambda: None


async def _run(scene: Scene, rate: int, seconds: float, prefix: str) -> list[Calling]:
    """Calls at an even rate; returns when all are over, or nobody waits for them any more."""
    loop = asyncio.get_running_loop()
    calls: list[Calling] = []
    begun, total = loop.time(), int(rate * seconds)
    while len(calls) < total:
        due = min(total, int((loop.time() - begun) * rate) + 1)
        calls += [scene.place(prefix) for _ in range(due - len(calls))]
        await asyncio.sleep(0.001)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            for one in calls:
                await one.done.wait()
    scene.exchange.calls.clear()
    return calls


def _keep(session: Session, calls: list[Calling], rate: int, meter: Meter, *, talks: bool) -> None:
    good = [one for one in calls if one.done.is_set() and one.status == (200 if talks else 487)]
    delays = sorted((one.pushed_at - one.asked_at) * 1e3 for one in calls if one.pushed_at)
    if not good or not delays:
        seen = sorted({one.status for one in calls})
        raise BenchError(f"no call of {len(calls)} went through: statuses {seen}, {len(delays)} pushes")
    unit = "call that an app takes" if talks else "wake-up"
    p50, p99 = delays[len(delays) // 2], delays[len(delays) * 99 // 100]
    session.add(
        Sample(
            measure=f"{unit}, {rate}/s",
            server="trunkline",
            cpu_us=meter.cpu_s * 1e6 / len(good),
            per_s=len(good) / (max(one.over_at for one in good) - calls[0].asked_at),
            failed=1 - len(good) / len(calls),
            busy=meter.cpu_s / meter.wall_s,
            p99_us=p99 * 1e3,
            asked_per_s=rate,
        )
    )
    session.report.notes.append(
        f"{unit}, {rate}/s: INVITE to push written: p50 {p50:.1f} ms, p99 {p99:.1f} ms."
    )
