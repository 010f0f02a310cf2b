"""What calls do, told straight down the page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Final

from trunkline.base.errors import CallFailed
from trunkline.call.audio_socket import AudioSocketPlan, converse
from trunkline.pbx.spoken import spoken_time
from trunkline.proto.sip.reasons import Q850, reason_phrase
from trunkline.registrar.waking import rousing

if TYPE_CHECKING:
    from trunkline.call.call import Call, Script
    from trunkline.call.target import Target

# The speaking clock: how often it says the time, and the pause after it.
_TIMES: Final = 3
_PAUSE_S: Final = 2.0
# Talk back: the longest that is recorded, the silence that ends it, and how often it is offered.
_LONGEST_S: Final = 10.0
_SILENCE_S: Final = 2.0
_ROUNDS: Final = 20


def ring(targets: AsyncIterable[Target]) -> Script:
    """Ring an extension's contacts and let the parties talk."""

    async def script(call: Call) -> None:
        await call.connect(rousing(targets, call))
        await call.over()

    return script


def refuse(status: int, code: str) -> Script:
    """Tell the caller that it cannot be."""

    async def script(_call: Call) -> None:
        raise CallFailed(status, reason_phrase(status), Q850.get(status), code)

    return script


def talk_to(plan: AudioSocketPlan) -> Script:
    """Let the caller talk to a program."""

    async def script(call: Call) -> None:
        await converse(call, plan)

    return script


async def echo(call: Call) -> None:
    """Send back what the caller says: for trying out a phone and the way to it."""
    service = await call.answer()
    await service.echo()
    await call.over()


async def tone(call: Call) -> None:
    """A sine tone of 440 Hz, to hear whether audio arrives."""
    service = await call.answer()
    await service.tone()
    await call.over()


async def say_time(call: Call) -> None:
    """Say what time it is here, three times, and goodbye."""
    service = await call.answer()
    for _ in range(_TIMES):
        now = time.localtime(call.context.wall())
        await service.play("the-time-is", *spoken_time(now.tm_hour, now.tm_min))
        await asyncio.sleep(_PAUSE_S)
    await service.play("goodbye")


async def talk_back(call: Call) -> None:
    """Record what the caller says after a tone, say it back, and offer it again."""
    service = await call.answer()
    for _ in range(_ROUNDS):
        await service.play("talk-back", keys="#")
        await service.play("beep")
        file = call.context.sounds.new_file()
        try:
            said = await service.record(file, max_duration_s=_LONGEST_S, silence_s=_SILENCE_S)
            call.tell("call.recorded", f"{said.duration_ms / 1000:.1f} s were recorded, {said.ended}")
            await service.play(*(["you-said", file] if said.voice_ms else ["nothing-was-heard"]), keys="#")
        finally:
            call.context.sounds.forget(file)
    await service.play("goodbye")
