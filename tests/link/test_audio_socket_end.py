"""What becomes of the connection to a program once the call with it is over."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from tests.link.virtual_time import virtual
from trunkline.base.errors import CallFailed
from trunkline.call import audio_socket


class Deaf:
    """A connection whose program never answers a close frame; ``cut`` once it was given up."""

    def __init__(self) -> None:
        self.closes: list[tuple[int, str]] = []
        self.cut = False
        self.transport = self

    async def close(self, code: int, reason: str) -> None:
        self.closes.append((code, reason))
        await asyncio.Event().wait()

    def abort(self) -> None:
        self.cut = True


async def _never() -> None:
    await asyncio.Event().wait()


async def _fails() -> None:
    raise CallFailed(480, "Temporarily Unavailable", 18, "call.test")


@pytest.mark.parametrize("leaves", [False, True], ids=["the call fails", "the caller leaves"])
@virtual
async def test_a_program_that_does_not_hear_the_farewell_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, leaves: bool
) -> None:
    deaf = Deaf()

    async def connect(*_: Any, **__: Any) -> Deaf:
        return deaf

    monkeypatch.setattr(audio_socket, "connect", connect)
    call: Any = SimpleNamespace(answer=_never if leaves else _fails)
    talking = asyncio.create_task(
        audio_socket.converse(call, audio_socket.AudioSocketPlan("ws://192.0.2.1/"))
    )
    await asyncio.sleep(1)
    if leaves:
        talking.cancel()
    with pytest.raises(asyncio.CancelledError if leaves else CallFailed):
        await talking
    assert deaf.closes == [(1000, "the caller has left") if leaves else (1011, "the call has failed")]
    assert deaf.cut
