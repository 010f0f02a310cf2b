"""What scripts hear of the caller's sound, and the signals that they let it hear."""

from __future__ import annotations

import asyncio

import pytest

from tests.link.stage import Stage
from tests.link.test_call_prompts import dial_script
from tests.link.virtual_time import virtual
from trunkline.base.errors import LocalProtocolError, MediaError
from trunkline.call.call import Call
from trunkline.call.hearing import Heard
from trunkline.media.commands import Listen, PlaySignal
from trunkline.media.events import Answered, ToneHeard, VoiceEnded, VoiceStarted


@virtual
async def test_a_script_hears_voices_tones_and_who_has_answered() -> None:
    stage = Stage()
    heard: list[Heard] = []

    async def script(call: Call) -> None:
        await call.answer()
        async with call.listen(voice=True, tones=True, machine=True) as events:
            async for event in events:
                heard.append(event)
                if isinstance(event, Answered):
                    return

    alice = dial_script(stage, script)
    await alice.until("answered")
    await asyncio.sleep(0.1)
    (port,) = stage.engine.listening
    assert stage.engine.listening[port] == Listen(port, voice=True, progress=True, machine=True)
    owner = stage.engine.owners[port]
    told: list[Heard] = [
        VoiceStarted(owner, port),
        VoiceEnded(owner, port, 900),
        ToneHeard(owner, port, "beep"),
        Answered(owner, port, "machine", 2000),
    ]
    stage.engine.tell(VoiceStarted(owner, "another"))
    for event in told:
        stage.engine.tell(event)
    await alice.until("ended bye")
    assert heard == told
    assert stage.engine.listening[port] == Listen(port)
    await stage.settle()


@virtual
async def test_what_nobody_takes_is_bounded_and_silence_has_a_limit() -> None:
    stage = Stage()
    counted: list[type] = []

    async def script(call: Call) -> None:
        service = await call.answer()
        async with call.listen(voice=True) as events:
            for _ in range(100):
                stage.engine.tell(VoiceStarted(call.id, service.port))
            counted.extend([type(await events.next(within_s=3.0)) for _ in range(64)])
            with pytest.raises(TimeoutError):
                await events.next(within_s=3.0)

    alice = dial_script(stage, script)
    await alice.until("ended bye")
    assert counted == [VoiceStarted] * 64
    await stage.settle()


@virtual
async def test_an_engine_that_cannot_listen_leaves_no_listener() -> None:
    stage = Stage()
    stage.engine.fault = lambda command: isinstance(command, Listen)

    async def script(call: Call) -> None:
        await call.answer()
        with pytest.raises(MediaError):
            async with call.listen(voice=True):
                pass

    alice = dial_script(stage, script)
    await alice.until("ended bye")
    await stage.settle()


@virtual
async def test_a_signal_is_that_of_its_country_and_ends_with_what_is_done_next() -> None:
    stage = Stage()
    steps: list[list[list[float]]] = []

    async def script(call: Call) -> None:
        with pytest.raises(LocalProtocolError):
            await call.ringback()
        service = await call.answer()
        for country in ("DE", "GB", ""):
            await call.ringback(country)
            doing = stage.engine.doing[service.port]
            assert isinstance(doing, PlaySignal)
            steps.append([step.frequencies_hz for step in doing.steps])
        await call.signal("busy", "FR")
        with pytest.raises(LocalProtocolError, match="XX"):
            await call.signal("busy", "XX")
        await call.play("goodbye")

    alice = dial_script(stage, script)
    await alice.until("ended bye")
    assert steps == [[[425.0], []], [[400.0, 450.0], [], [400.0, 450.0], []], [[440.0, 480.0], []]]
    await stage.settle()
