"""The acts that several plays have: registering, a call that wakes the app, taking it, talking, hanging up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from trunkline.app.demo.app import App, heard_dbfs
from trunkline.app.demo.stage import APP_NUMBER, CALLER_NUMBER, USER, Stage
from trunkline.app.demo.steps import CALLER, GATEWAY, PBX, DemoFailed, Mark
from trunkline.app.demo.summary import Heard
from trunkline.app.phone.conversation import Conversation

CALLER_HZ: Final = 440.0
APP_HZ: Final = 700.0
INCOMING_CALL: Final = "incoming_call"
INVITE: Final = Mark("sip", PBX, GATEWAY, "INVITE")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ringing:
    """A call at the caller and at the app, and what the caller offers."""

    caller: Conversation
    token: str
    offer: str


async def register(stage: Stage) -> None:
    """Each device brings the account; the gateway has registered it afterwards."""
    play = stage.play
    play.begin()
    play.teller.chapter("Before any call: the gateway registers on behalf of the app")
    for app in stage.apps:
        async with play.step(
            _of("registered", app, stage), f"the {app.name} brings its account, then sleeps"
        ):
            app.token = stage.app.token
            if not app.token:
                await app.log_in(USER, stage.api_key)
            await app.register(stage.account)
            await play.until(Mark("sip", PBX, GATEWAY, "200", "REGISTER"))
            while (status := await app.status()) != "registered":
                if status.startswith("error"):
                    raise DemoFailed(f"the registration at the PBX failed: {status}")


async def call_and_wake(stage: Stage) -> Ringing:
    """The caller calls, the push wakes the first device, which asks for the call and rings."""
    play, app = stage.play, stage.app
    play.teller.chapter("A call to the app that sleeps")
    async with play.step(
        "called", f"{CALLER_NUMBER} calls {APP_NUMBER}; a push wakes the app, of which nothing is connected"
    ):
        conversation = await stage.caller.call(APP_NUMBER)
        await play.until(INVITE)
    async with play.step("pushed", "the app is woken", silent=True):
        async with running(_over(conversation)) as over:
            token = str((await before(over, app.woken(INCOMING_CALL)))["callToken"])
        stage.note_calls()
    async with play.step("fetched", f"the {app.name} is awake, and asks for the call"):
        offer = str((await app.of_call("GET", token))["sdp_offer"])
    async with play.step("ringing", "it rings"):
        await app.of_call("POST", token, "/ringing")
        await conversation.ringing.wait()
    return Ringing(conversation, token, offer)


async def take(stage: Stage, call: Ringing) -> None:
    """The first device accepts, and the caller has the answer."""
    step = stage.play.step("accepted", f"the {stage.app.name} takes the call")
    async with step, running(_over(call.caller)) as over:
        await stage.app.accept(call.token, call.offer, stage.engine)
        await before(over, call.caller.answered.wait())


@asynccontextmanager
async def running(work: Coroutine[Any, Any, T]) -> AsyncIterator[asyncio.Task[T]]:
    """A task for as long as this lasts; whoever waits for it gets its error."""
    task = asyncio.create_task(work, name="demo call")
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # told already, or of no importance any more


async def _over(conversation: Conversation) -> None:
    """Raises DemoFailed when a call ends."""
    await conversation.over.wait()
    outcome = conversation.outcome
    why = f"{outcome.status} {outcome.reason}" if outcome is not None else "nobody says why"
    raise DemoFailed(f"the caller's call ended: {why}")


async def talk(stage: Stage, conversation: Conversation) -> tuple[Heard, ...]:
    """Both hear the other's tone."""
    app, play, folder = stage.app, stage.play, stage.folder
    async with play.step("heard", "both send a tone, and listen to the other's"):
        await conversation.answered.wait()
        await conversation.sound.tone(CALLER_HZ)
        await app.sound.tone(APP_HZ)
        at_app, at_caller = await asyncio.gather(
            heard_dbfs(app.sound, CALLER_HZ, folder, app.name),
            heard_dbfs(conversation.sound, APP_HZ, folder, CALLER),
        )
        play.arrow("sound", CALLER, app.name, f"{CALLER_HZ:g} Hz, heard at {at_app:.1f} dBFS", "RTP")
        play.arrow("sound", app.name, CALLER, f"{APP_HZ:g} Hz, heard at {at_caller:.1f} dBFS", "RTP")
    return Heard(app.name, CALLER, CALLER_HZ, at_app), Heard(CALLER, app.name, APP_HZ, at_caller)


async def app_hangs_up(stage: Stage, call: Ringing) -> None:
    """The call is over everywhere afterwards."""
    async with stage.play.step("hung_up", f"the {stage.app.name} hangs up"):
        await stage.app.of_call("POST", call.token, "/hangup")
        await call.caller.over.wait()
        await stage.over()


async def before(other: asyncio.Task[Any], wanted: Coroutine[Any, Any, T]) -> T:
    """What is wanted, unless ``other`` fails or ends before: its error then, or DemoFailed."""
    async with running(wanted) as task:
        await asyncio.wait({task, other}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        other.result()
        raise DemoFailed("it was over before")


def _of(code: str, app: App, stage: Stage) -> str:
    """The code of a step that each device has: ``registered``, ``registered_2``."""
    number = stage.apps.index(app) + 1
    return code if number == 1 else f"{code}_{number}"


def expect(what: str, seen: object, wanted: object) -> None:
    """Raises DemoFailed."""
    if seen != wanted:
        raise DemoFailed(f"{what} is {seen} and not {wanted}")
