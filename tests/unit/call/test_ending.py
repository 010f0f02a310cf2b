"""How a script learns that its call is over."""

from __future__ import annotations

import asyncio

from trunkline.call.ending import Ending


async def test_who_waits_for_the_end_is_woken() -> None:
    ending = Ending(asyncio.get_running_loop())
    said: list[str] = []

    async def script() -> None:
        ending.enter()
        await ending.wait()
        said.append("over")

    task = asyncio.create_task(script())
    await asyncio.sleep(0)
    ending.tell()
    await task
    assert said == ["over"]
    await ending.wait()


async def test_who_does_something_else_is_cancelled_there_and_may_go_on() -> None:
    ending = Ending(asyncio.get_running_loop())
    said: list[str] = []

    async def script() -> None:
        ending.enter()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            assert ending.absorb()
        await asyncio.sleep(0)
        said.append("closed")

    task = asyncio.create_task(script())
    await asyncio.sleep(0)
    ending.tell()
    ending.tell()
    await task
    assert said == ["closed"]


async def test_a_script_that_has_not_begun_is_left_to_begin() -> None:
    ending = Ending(asyncio.get_running_loop())
    said: list[bool] = []

    async def script() -> None:
        ending.enter()
        said.append(ending.told)

    task = asyncio.create_task(script())
    ending.tell()
    await task
    assert said == [True]


async def test_a_script_may_tell_the_end_itself() -> None:
    ending = Ending(asyncio.get_running_loop())

    async def script() -> None:
        ending.enter()
        ending.tell()
        await ending.wait()

    await asyncio.create_task(script())


async def test_a_cancellation_by_somebody_else_is_not_absorbed() -> None:
    ending = Ending(asyncio.get_running_loop())
    verdicts: list[bool] = []

    async def script() -> None:
        ending.enter()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            verdicts.append(ending.absorb())

    for both in (False, True):
        task = asyncio.create_task(script())
        await asyncio.sleep(0)
        if both:
            ending.tell()
        task.cancel()
        await task
    assert verdicts == [False, False]
