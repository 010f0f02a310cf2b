"""`python -m bench devices`: what idle devices take in memory and files, and what their refreshes cost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from subprocess import Popen
from typing import Final

import uvloop

from bench.mobile_exchange import OtherExchange
from bench.mobile_gateway import Gateway
from bench.mobile_push import registered
from bench.procfs import Meter, memory_bytes
from bench.results import Memory, Sample
from bench.session import Session

DEVICES: Final = (10_000, 100_000)
FEW: Final = 1_000
"""As many are there when memory is first read, so that pools and caches do not count as devices."""
REFRESHED: Final = 10_000
GRANTED_S: Final = (60, 15, 8)
REFRESH_AFTER: Final = 0.825
"""Where in their time registrations are refreshed, on average."""
REGISTERED_S: Final = 900.0


def measure(session: Session, devices: tuple[int, ...]) -> None:
    """Memory at each number of devices, then refreshes, without and with a challenge each time."""
    uvloop.run(_measure(session, devices))


async def _measure(session: Session, devices: tuple[int, ...]) -> None:
    few, _ = await _idle(session, FEW)
    for many in devices:
        held, files = await _idle(session, many)
        each = (held - few) / (many - FEW)
        session.add(Memory("idle mobile device", "trunkline", each, many, session.settings.settle_s > 0))
        session.report.notes.append(f"{many} devices: {files} open files, {held >> 20} MiB in all.")
    for challenges in (False, True):
        for granted_s in GRANTED_S:
            await _refreshes(session, granted_s, challenges=challenges)


async def _idle(session: Session, devices: int) -> tuple[int, int]:
    """Bytes and open files of a gateway that has found so many devices and registered them."""
    exchange = await OtherExchange.open(challenges=True)
    try:
        async with _running(session, devices) as process:
            await registered(exchange, devices, REGISTERED_S)
            await asyncio.sleep(session.settings.settle_s)
            return memory_bytes(process.pid), _open_files(process.pid)
    finally:
        exchange.close()
        await asyncio.sleep(0.1)  # the address is free then


def _open_files(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


@contextlib.asynccontextmanager
async def _running(session: Session, devices: int) -> AsyncIterator[Popen[str]]:
    loop = asyncio.get_running_loop()
    gateway = Gateway(devices)
    starting = gateway.start(session.work_folder(gateway.name))
    process: Popen[str] = await loop.run_in_executor(None, starting.__enter__)
    try:
        yield process
    finally:
        await loop.run_in_executor(None, starting.__exit__, None, None, None)


async def _refreshes(session: Session, granted_s: int, *, challenges: bool) -> None:
    """Short grants make many refreshes; they are the same otherwise."""
    exchange = await OtherExchange.open(challenges=challenges, expires_s=granted_s)
    try:
        async with _running(session, REFRESHED) as process:
            await registered(exchange, REFRESHED, REGISTERED_S)
            before = exchange.registered
            with Meter(process.pid) as meter:
                await asyncio.sleep(2 * granted_s * REFRESH_AFTER)  # they come in waves: whole ones count
            done = exchange.registered - before
    finally:
        exchange.close()
        await asyncio.sleep(0.1)
    wanted = REFRESHED / (granted_s * REFRESH_AFTER)
    session.add(
        Sample(
            measure=f"refresh{', challenged' if challenges else ''}, {wanted:.0f}/s",
            server="trunkline",
            cpu_us=meter.cpu_s * 1e6 / max(1, done),
            per_s=done / meter.wall_s,
            failed=0.0,
            busy=meter.cpu_s / meter.wall_s,
            asked_per_s=wanted,
        )
    )
