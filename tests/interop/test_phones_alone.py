"""Two baresips without an exchange between them: what the other tests may take for granted of the phones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.peers.baresip import Account, Baresip
from tests.peers.tones import tone_level_dbfs


@pytest.fixture
async def call(tmp_path: Path) -> AsyncIterator[tuple[Baresip, Baresip]]:
    """1001 (700 Hz) has called 1002 (1200 Hz) directly and was answered."""
    async with AsyncExitStack() as stack:
        caller = await stack.enter_async_context(Baresip(tmp_path, Account("1001"), 700))
        callee = await stack.enter_async_context(Baresip(tmp_path, Account("1002"), 1200))
        await caller.dial(callee.uri)
        await callee.event("CALL_INCOMING")
        await callee.accept()
        await caller.event("CALL_ESTABLISHED")
        yield caller, callee


async def test_each_hears_the_other_and_not_itself(call: tuple[Baresip, Baresip]) -> None:
    caller, callee = call
    await callee.hears_at(700)
    await caller.hears_at(1200)
    assert tone_level_dbfs(callee.heard(0.5), 1200) < -50
    assert tone_level_dbfs(caller.heard(0.5), 700) < -50


@pytest.mark.parametrize("holder", [0, 1], ids=["by the caller", "by the callee"])
async def test_hold_silences_and_resume_restores(call: tuple[Baresip, Baresip], holder: int) -> None:
    caller, callee = call
    await caller.hears(1200)
    await call[holder].hold()
    await caller.hears_nothing_of(1200)
    await callee.hears_nothing_of(700)
    await call[holder].resume()
    await caller.hears(1200)
    await callee.hears(700)


async def test_digits_arrive_in_order(call: tuple[Baresip, Baresip]) -> None:
    caller, callee = call
    await caller.send_digits("159#")
    for digit in "159#":
        await callee.event("CALL_DTMF_START", param=digit)
        await callee.event("CALL_DTMF_END")


async def test_a_tone_that_is_not_there_fails_the_test(call: tuple[Baresip, Baresip]) -> None:
    with pytest.raises(AssertionError, match="did not hear 2000"):
        await call[0].hears(2000, within=1.0)
