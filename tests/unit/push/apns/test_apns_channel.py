"""What a channel writes: requests of one moment together, and nothing once it is closed."""

from __future__ import annotations

import asyncio
from unittest.mock import Mock

from trunkline.push.apns.channel import Channel, Post
from trunkline.push.apns.connection import Connection, Reply, Request

REQUEST = Request(b"/3/device/00aa", ((b"apns-topic", b"com.example.app"),), (), b"{}")
SETTINGS = bytes.fromhex("000000040000000000")  # of the peer, all as usual


class Transport:
    """What went out, write by write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def abort(self) -> None:
        pass


def opened() -> tuple[Channel, Transport]:
    channel, transport = Channel(Connection("api.push.apple.com"), Mock()), Transport()
    channel.connection_made(transport)  # type: ignore[arg-type]  # it has what a channel uses
    channel.data_received(SETTINGS)
    transport.writes.clear()
    return channel, transport


def post() -> Post:
    future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    return Post(REQUEST, future, None)


async def a_turn_of_the_loop() -> None:
    await asyncio.sleep(0)


async def test_requests_that_begin_in_one_moment_go_out_in_one_write() -> None:
    channel, transport = opened()
    for _ in range(3):
        channel.begin(post())
    await a_turn_of_the_loop()
    assert len(transport.writes) == 1
    channel.begin(post())
    await a_turn_of_the_loop()
    assert len(transport.writes) == 2
    channel.close("enough")


async def test_nothing_is_written_after_the_end() -> None:
    channel, transport = opened()
    last = post()
    channel.begin(last)
    channel.close("the end")
    said = list(transport.writes)
    await a_turn_of_the_loop()
    assert transport.writes == said
    assert str(last.future.exception()) == "the end"
