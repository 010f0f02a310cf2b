"""The loop on which a busy machine ends no deadline."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest


async def test_what_came_while_the_machine_was_busy_came_in_time() -> None:
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)

        def answer() -> None:
            time.sleep(0.2)  # so long another process has the processor
            theirs.send(b"answer")

        for _ in range(3):
            loop.call_soon(answer)
            async with asyncio.timeout(0.1):
                assert await loop.sock_recv(ours, 6) == b"answer"


async def test_a_deadline_ends_when_nothing_comes() -> None:
    began = asyncio.get_running_loop().time()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await asyncio.Event().wait()
    assert asyncio.get_running_loop().time() - began >= 0.1
