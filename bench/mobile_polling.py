"""`python -m bench polling`: what it costs that old apps ask every two seconds how their call is."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import uvloop

from bench.mobile_apns import SwiftApns
from bench.mobile_exchange import Calling, OtherExchange
from bench.mobile_gateway import Gateway, token_of, user
from bench.mobile_push import Scene, registered
from bench.mobile_rest import Rest
from bench.process import BenchError
from bench.procfs import Meter
from bench.results import Sample
from bench.session import Session

CALLS: Final = 200
CLIENTS: Final = 16
WITHIN_S: Final = 60.0


def measure(session: Session) -> None:
    """As many questions as the gateway answers, by `CLIENTS` apps that ask again at once."""
    uvloop.run(_measure(session))


async def _measure(session: Session) -> None:
    exchange = await OtherExchange.open(talks=True, holds=True)
    scene = Scene(exchange, tokens=tuple(token_of(index) for index in range(CALLS)))
    apns = SwiftApns(scene.pushed)
    await apns.start()
    gateway = Gateway(CALLS, apns.url, apns.authority.ca_pem)
    loop = asyncio.get_running_loop()
    try:
        with contextlib.ExitStack() as stack:
            starting = gateway.start(session.work_folder(gateway.name))
            process = await loop.run_in_executor(None, stack.enter_context, starting)
            await registered(exchange, CALLS)
            async with Rest(CLIENTS) as rest:
                scene.rest = rest
                calls = [exchange.call(f"p{index}", user(index)) for index in range(CALLS)]
                await _answered(calls)
                for _ in range(session.settings.runs):
                    await _poll(session, scene, calls, process.pid)
            await loop.run_in_executor(None, stack.close)
    finally:
        await apns.stop()
        exchange.close()


async def _answered(calls: list[Calling]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while any(one.status != 200 for one in calls):  # noqa: ASYNC110  (calls tell nobody)
            await asyncio.sleep(0.05)


async def _poll(session: Session, scene: Scene, calls: list[Calling], pid: int) -> None:
    rest, loop = scene.rest, asyncio.get_running_loop()
    if rest is None:
        return
    until, times = loop.time() + session.settings.seconds, []

    async def app(first: int) -> None:
        index = first
        while loop.time() < until:
            one = calls[index % len(calls)]
            begun = loop.time()
            status, body = await rest.ask(
                "GET", f"/v1/calls/{one.token}/status", scene.tokens[int(one.user[1:])]
            )
            if (status, body) != (200, b'{"status":"active"}'):
                raise BenchError(f"asked how an active call is, the gateway said {status} {body!r}")
            times.append(loop.time() - begun)
            index += CLIENTS

    with Meter(pid) as meter:
        await asyncio.gather(*(app(first) for first in range(CLIENTS)))
    times.sort()
    session.add(
        Sample(
            measure="GET status of a call",
            server="trunkline",
            cpu_us=meter.cpu_s * 1e6 / len(times),
            per_s=len(times) / meter.wall_s,
            failed=0.0,
            busy=meter.cpu_s / meter.wall_s,
            p99_us=times[len(times) * 99 // 100] * 1e6,
        )
    )
