"""Tests here run on both event loops, those of short deadlines on the patient one; nothing may be left behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvloop

from tests.loopback.net.kit import Exchange
from tests.loopback.patient_loop import PatientLoop
from trunkline.net import Listener, NetSettings, TlsSettings

TABLES = ("udp", "udp6", "tcp", "tcp6")


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": PatientLoop, "uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture
async def exchange() -> AsyncIterator[Callable[..., Awaitable[Exchange]]]:
    """``await exchange("udp:127.0.0.1:0", ..., max_connections=2)`` starts a ``Net`` with these listeners."""
    descriptors = open_descriptors()
    started: list[Exchange] = []

    async def start(*listeners: str | Listener, tls: TlsSettings | None = None, **settings: Any) -> Exchange:
        one = Exchange(NetSettings(**{"close_timeout_s": 0.2, **settings}), tls)
        started.append(one)
        await one.start(*listeners)
        return one

    yield start
    for one in started:
        await one.net.stop()
        assert one.net.counters.connections == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}
    for one in started:
        one.close_peers()
    assert open_descriptors() <= descriptors


def open_descriptors() -> set[tuple[str, str]]:
    """Internet sockets and epoll sets of this process; a loop's own pipes and socket pairs do not count."""
    ours = {f"socket:[{row.split()[9]}]" for table in TABLES for row in rows(Path("/proc/net", table))}
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            target = str(entry.readlink())
            if target in ours or target == "anon_inode:[eventpoll]":
                found.add((entry.name, target))
    return found


def rows(table: Path) -> list[str]:
    return table.read_text().splitlines()[1:]


@pytest.fixture(params=["127.0.0.1", "[::1]"], ids=["ipv4", "ipv6"])
def address(request: pytest.FixtureRequest) -> str:
    """The loopback address of each family, as it stands in a listener's url."""
    return str(request.param)
