"""Runs a play in a folder that is gone afterwards, and tells how it went."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

from trunkline.app.demo.play import Pause, Play
from trunkline.app.demo.scenes import Scene
from trunkline.app.demo.stage import Stage, set_up
from trunkline.app.demo.steps import DemoFailed
from trunkline.app.demo.summary import Summary
from trunkline.app.demo.telling import Teller

START_S = 30.0


async def perform(scene: Scene, teller: Teller, folder: Path, *, transport: str, pause: Pause | None) -> None:
    """From the first listener to the last; raises DemoFailed, which was told, when a step did not happen."""
    play = Play(teller, pause)
    try:
        async with AsyncExitStack() as stack:
            stage = await _started(stack, set_up(play, folder, transport, scene.apps))
            teller.scene(_facts(stage))
            heard = await scene.play(stage)
            times = tuple((span, span.of(play.arrows)) for span in scene.spans)
            summary = Summary(times, heard, await stage.stories())
        teller.summary(summary)
    except DemoFailed as failed:
        teller.failed(failed.step, str(failed))
        raise


async def _started(stack: AsyncExitStack, setting_up: AbstractAsyncContextManager[Stage]) -> Stage:
    try:
        async with asyncio.timeout(START_S):
            return await stack.enter_async_context(setting_up)
    except TimeoutError:
        raise DemoFailed(
            f"PBX, gateway and push services did not start within {START_S:g} s", "start"
        ) from None


async def run_in_folder(scene: Scene, teller: Teller, transport: str, pause: Pause | None) -> None:
    """The same in a folder of its own. SIGTERM ends it as Ctrl-C does."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    if task is not None:
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        with tempfile.TemporaryDirectory(prefix="trunkline-demo-") as folder:
            await perform(scene, teller, Path(folder), transport=transport, pause=pause)
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _facts(stage: Stage) -> dict[str, str]:
    """What runs where."""
    return {
        "PBX": f"{stage.pbx.net.listeners[0].address}, somebody else's: it wants passwords (digest)",
        "gateway": f"{stage.api_url}, registers at the PBX by {stage.transport.upper()}",
        "push": ", ".join(stage.services),
        "caller": f"a phone, {stage.caller.account.user}",
        "app": "sleeps as a phone's app does: no socket, no timer, only its push token",
    }
