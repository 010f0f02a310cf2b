"""Name lookup: shared, remembered for a while, given up in time."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from trunkline.base.errors import TransportError
from trunkline.net.resolver import Resolver
from trunkline.net.settings import NetSettings


class Names:
    """An event loop whose name server is a dictionary."""

    def __init__(self, known: dict[str, list[str]]) -> None:
        self.known = known
        self.asked: list[str] = []
        self.silent = False
        self.now = 0.0
        self.loop = asyncio.get_running_loop()
        self.create_task = self.loop.create_task

    def time(self) -> float:
        return self.now

    async def getaddrinfo(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        if self.silent:
            await asyncio.Event().wait()
        if host not in self.known:
            raise socket.gaierror(-2, "Name or service not known")
        return [
            (0, 0, 0, "", (address, port, 0, 0)[: 4 if ":" in address else 2]) for address in self.known[host]
        ]


def resolver(names: Names, **settings: float) -> Resolver:
    return Resolver(names, NetSettings(**settings))  # type: ignore[arg-type]  # the part of a loop it needs


async def test_all_addresses_come_in_the_systems_order_once() -> None:
    names = Names({"a.example": ["2001:db8::1", "192.0.2.1", "192.0.2.1"]})
    assert await resolver(names).resolve("a.example", 5060) == [("2001:db8::1", 5060), ("192.0.2.1", 5060)]


async def test_a_literal_asks_nobody() -> None:
    names = Names({})
    assert await resolver(names).resolve("[2001:DB8::1]", 5061) == [("2001:db8::1", 5061)]
    assert names.asked == []


async def test_who_asks_at_once_or_soon_shares_one_lookup() -> None:
    names = Names({"a.example": ["192.0.2.1"]})
    lookups = resolver(names, resolve_keep_s=5)
    await asyncio.gather(*(lookups.resolve("a.example", 5060) for _ in range(5)))
    names.now = 4.9
    await lookups.resolve("a.example", 5060)
    assert len(names.asked) == 1
    names.now = 5.0
    await lookups.resolve("a.example", 5060)
    assert len(names.asked) == 2


async def test_a_name_without_address_is_an_error_that_is_remembered() -> None:
    names = Names({})
    lookups = resolver(names)
    for _ in range(2):
        with pytest.raises(TransportError, match=r"'b\.example' has no address"):
            await lookups.resolve("b.example", 5060)
    assert names.asked == ["b.example"]


async def test_a_silent_name_server_is_given_up_in_time() -> None:
    names = Names({})
    names.silent = True
    with pytest.raises(TransportError, match="no answer"):
        await resolver(names, resolve_timeout_s=0.01).resolve("c.example", 5060)


async def test_who_gives_up_does_not_take_the_answer_from_the_others() -> None:
    names = Names({"a.example": ["192.0.2.1"]})
    lookups = resolver(names)
    impatient = asyncio.ensure_future(lookups.resolve("a.example", 5060))
    patient = asyncio.ensure_future(lookups.resolve("a.example", 5060))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient == [("192.0.2.1", 5060)]
    assert impatient.cancelled()


async def test_stopping_leaves_no_lookup() -> None:
    names = Names({})
    names.silent = True
    lookups = resolver(names)
    waiting = asyncio.ensure_future(lookups.resolve("c.example", 5060))
    await asyncio.sleep(0)
    await lookups.stop()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_names_remembered_are_bounded() -> None:
    names = Names({})
    names.silent = True
    lookups = resolver(names)
    waiting = [asyncio.ensure_future(lookups.resolve(f"{n}.example", 5060)) for n in range(1024)]
    await asyncio.sleep(0)
    with pytest.raises(TransportError, match="1024 names"):
        await lookups.resolve("one.more.example", 5060)
    await lookups.stop()
    await asyncio.gather(*waiting, return_exceptions=True)
