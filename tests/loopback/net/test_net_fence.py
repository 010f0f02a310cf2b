"""The fence at real sockets: who is banned is not heard, and finds no open door."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.loopback.net.kit import REQUEST, Exchange
from trunkline.net.fence import Ban

HOUR_S = 3600.0
HERE = "127.0.0.1"
Start = Callable[..., Awaitable[Exchange]]


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_datagrams_of_a_banned_source_are_dropped_until_it_is_pardoned(exchange: Start) -> None:
    one = await exchange("udp:127.0.0.1:0")
    peer = await one.peer()
    one.net.fence.ban(HERE, now(), HOUR_S)
    for _ in range(3):
        await peer.send(REQUEST)
    async with asyncio.timeout(20):
        while one.net.fence.counters.barred < 3:  # noqa: ASYNC110  (a dropped datagram makes no event)
            await asyncio.sleep(0.001)
    one.net.fence.pardon(HERE, now())
    await peer.send(REQUEST)
    await one.heard()
    assert one.messages.empty()


async def test_a_proven_flow_is_heard_at_a_banned_source(exchange: Start) -> None:
    one = await exchange("udp:127.0.0.1:0")
    phone = await one.peer()
    fence = one.net.fence
    fence.proved(phone.address, "a.test", "301", now())
    for mark in range(1, 11):
        fence.failed((HERE, 1), "a.test", "302", now(), mark)
    assert list(fence.shut) == [HERE]
    await phone.send(REQUEST)
    assert (await one.heard())[1].remote == phone.address


async def test_a_banned_source_is_refused_at_accept_and_what_it_has_open_is_closed(exchange: Start) -> None:
    one = await exchange("tcp:127.0.0.1:0")

    def shut(banned: Ban) -> None:
        one.net.shut(banned.source)

    one.net.fence.on_ban = shut
    early = await one.peer()
    await early.send(REQUEST)
    await one.heard()
    one.net.fence.ban(HERE, now(), HOUR_S)
    assert await early.end()
    await one.ended()
    late = await one.peer()
    assert await late.end()
    assert one.net.counters.accepted == 1


async def test_a_proven_connection_outlives_the_ban_of_its_source(exchange: Start) -> None:
    one = await exchange("tcp:127.0.0.1:0")
    one.net.fence.on_ban = lambda banned: one.net.shut(banned.source)
    phone, guesser = await one.peer(), await one.peer()
    for peer in (phone, guesser):
        await peer.send(REQUEST)
        await one.heard()
    one.net.fence.proved(phone.address, "a.test", "301", now())
    for mark in range(1, 11):
        one.net.fence.failed(guesser.address, "a.test", "301", now(), mark)
    assert await guesser.end()
    await phone.send(REQUEST)
    await one.heard()


async def test_bytes_that_are_no_sip_bring_a_ban(exchange: Start) -> None:
    one = await exchange("tcp:127.0.0.1:0")
    banned: list[Ban] = []
    one.net.fence.on_ban = banned.append
    for _ in range(10):
        peer = await one.peer()
        await peer.send(b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n")
        assert await peer.end()
    assert [(one_ban.source, one_ban.why) for one_ban in banned] == [(HERE, "ban.malformed")]
    refused = await one.peer()
    assert await refused.end()
    assert one.net.fence.counters.barred == 1


async def test_a_ban_that_is_over_is_forgotten_by_the_sweep(exchange: Start) -> None:
    one = await exchange("udp:127.0.0.1:0", sweep_s=0.01)
    one.net.fence.ban("192.0.2.1", now(), 0.02)
    async with asyncio.timeout(20):
        while one.net.fence.shut:  # noqa: ASYNC110  (a sweep makes no event)
            await asyncio.sleep(0.001)
