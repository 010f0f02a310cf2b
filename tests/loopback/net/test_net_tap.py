"""A tap sees what comes and what leaves, over every kind of listener, and is gone when it is taken off."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.loopback.net.kit import ANSWER, DEADLINE_S, REQUEST, Exchange
from trunkline.net import Listener

Start = Callable[..., Awaitable[Exchange]]


class Seen:
    """What a tap was shown."""

    def __init__(self) -> None:
        self.messages: list[tuple[bytes, Listener, tuple[str, int], bool]] = []

    def __call__(self, data: bytes, listener: Listener, remote: tuple[str, int], incoming: bool) -> None:
        self.messages.append((data, listener, remote, incoming))


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_messages_are_shown_both_ways_while_the_tap_is_on(
    exchange: Start, address: str, transport: str
) -> None:
    one = await exchange(f"{transport}:{address}:0")
    peer, seen = await one.peer(), Seen()
    listener = one.net.listeners[0]

    async def ask_and_answer() -> None:
        await peer.send(REQUEST)
        _, flow = await one.heard()
        flow.send(ANSWER)
        assert await peer.receive() == ANSWER

    await ask_and_answer()
    one.net.tap(seen)
    await ask_and_answer()
    one.net.tap(None)
    await ask_and_answer()
    assert seen.messages == [(REQUEST, listener, peer.address, True), (ANSWER, listener, peer.address, False)]


async def test_a_datagram_that_the_kernel_refuses_is_not_shown(exchange: Start) -> None:
    one = await exchange("udp:127.0.0.1:0")
    seen = Seen()
    one.net.tap(seen)
    one.net.flow_to("UDP", "127.0.0.1", 9).send(b"x" * 70_000, one.on_failure)
    await one.failed()
    assert seen.messages == []


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_the_tap_stays_on_when_another_takes_the_messages(
    exchange: Start, address: str, transport: str
) -> None:
    one = await exchange(f"{transport}:{address}:0")
    peer, seen = await one.peer(), Seen()
    one.net.tap(seen)
    later: asyncio.Queue[bytes] = asyncio.Queue()
    one.net.hand_to(lambda data, _flow: later.put_nowait(data))
    await peer.send(REQUEST)
    async with asyncio.timeout(DEADLINE_S):
        assert await later.get() == REQUEST
    assert one.messages.empty()
    assert seen.messages == [(REQUEST, one.net.listeners[0], peer.address, True)]
