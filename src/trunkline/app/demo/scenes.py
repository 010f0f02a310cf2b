"""The plays: what the parties do, step by step. Each step has its deadline, and a name for who reads JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from trunkline.app.demo.app import App, heard_dbfs
from trunkline.app.demo.stage import APP_NUMBER, CALLER_NUMBER, USER, Stage
from trunkline.app.demo.steps import APP, CALLER, GATEWAY, PBX, PUSH, DemoFailed, Mark, Span
from trunkline.app.demo.summary import Heard
from trunkline.app.phone.conversation import Conversation

CALLER_HZ: Final = 440.0
APP_HZ: Final = 700.0
IPHONE, ANDROID = "iPhone", "Android"
TOO_LATE: Final = "v=0\r\n"  # an answer that nobody looks at
T = TypeVar("T")

INCOMING_CALL, CANCELLED, ELSEWHERE = "incoming_call", "call_cancelled", "answered_elsewhere"
_INVITE = Mark("sip", PBX, GATEWAY, "INVITE")
_PUSHED = Mark("push", GATEWAY, PUSH)
_ACCEPTED = Mark("rest", "", GATEWAY, "*/accept")
_ANSWERED = Mark("sip", PBX, CALLER, "200", "INVITE")
_WOKEN = (
    Span("invite_to_push", "INVITE at the gateway to the push at its service", _INVITE, _PUSHED),
    Span("push_to_ringing", "that push to 180 at the caller", _PUSHED, Mark("sip", PBX, CALLER, "180")),
)
_TAKEN = (
    Span("push_to_accept", "that push to the app's accept", _PUSHED, _ACCEPTED),
    Span("accept_to_200", "the app's accept to 200 at the caller", _ACCEPTED, _ANSWERED),
)


@dataclass(frozen=True, slots=True)
class Scene:
    """``apps`` are the names of the devices, ``play`` is what happens, ``spans`` the times that are told of it."""

    name: str
    apps: tuple[str, ...]
    play: Callable[[Stage], Awaitable[tuple[Heard, ...]]]
    spans: tuple[Span, ...]

    @property
    def parties(self) -> tuple[str, ...]:
        """The columns."""
        return (CALLER, PBX, GATEWAY, PUSH, *self.apps)


@dataclass(frozen=True, slots=True)
class Ringing:
    """A call at the caller and at the app, and what the caller offers."""

    caller: Conversation
    token: str
    offer: str


async def incoming(stage: Stage) -> tuple[Heard, ...]:
    """A sleeping app is woken, takes the call, both hear each other, the app hangs up."""
    await _register(stage)
    call = await _call_and_wake(stage)
    await _take(stage, call)
    heard = await _talk(stage, call.caller)
    await _app_hangs_up(stage, call)
    return heard


async def cancelled(stage: Stage) -> tuple[Heard, ...]:
    """The caller gives up while the app rings."""
    await _register(stage)
    call = await _call_and_wake(stage)
    app, step = stage.app, stage.play.step
    async with step("cancelled", "the caller gives up, and the app is told by a push that does not ring"):
        call.caller.hang_up()
        await call.caller.over.wait()
    async with step("told", "the app has that push", silent=True):
        await app.woken(CANCELLED)
    async with step("gone", "who takes the call now is too late"):
        await app.of_call("POST", call.token, "/accept", {"sdp_answer": TOO_LATE}, wanted=410)
        await stage.over()
    return ()


async def outgoing(stage: Stage) -> tuple[Heard, ...]:
    """The app calls out."""
    await _register(stage)
    play, app, caller = stage.play, stage.app, stage.caller
    async with play.step("phone_registered", f"the phone {CALLER_NUMBER} registers too"):
        await caller.register()
    play.teller.chapter("The app calls out")
    placing = asyncio.create_task(app.place(CALLER_NUMBER, stage.engine), name="demo call")
    try:
        async with play.step("placed", f"the app calls {CALLER_NUMBER}, and {CALLER_NUMBER} rings"):
            conversation = await _before(placing, stage.incoming.get())
            stage.note_calls()
        async with play.step("answered", f"{CALLER_NUMBER} answers"):
            await conversation.answer()
            token = await placing
    finally:
        placing.cancel()
        with suppress(asyncio.CancelledError, DemoFailed):
            await placing
    heard = await _talk(stage, conversation)
    async with play.step("hung_up", f"{CALLER_NUMBER} hangs up"):
        conversation.hang_up()
        await conversation.over.wait()
        await stage.over()
    async with play.step("ended", "the app asks how its call ended"):
        told = await app.of_call("GET", token, "/status")
        _expect("the call's status", told["status"], "ended")
    return heard


async def two(stage: Stage) -> tuple[Heard, ...]:
    """Two devices of one user ring; the first to accept has the call."""
    await _register(stage)
    winner, loser = stage.apps
    call = await _call_and_wake(stage)
    async with stage.play.step("both_ringing", f"the {loser.name} has woken too, and rings"):
        other = str((await loser.woken(INCOMING_CALL))["callToken"])
        await loser.of_call("GET", other)
        await loser.of_call("POST", other, "/ringing")
    await _take(stage, call)
    async with stage.play.step("elsewhere", f"the {loser.name} is told that the call is taken", silent=True):
        await loser.woken(ELSEWHERE)
    async with stage.play.step("too_late", f"the {loser.name} takes it all the same, too late"):
        await loser.of_call("POST", other, "/accept", {"sdp_answer": TOO_LATE}, wanted=409)
    heard = await _talk(stage, call.caller)
    await _app_hangs_up(stage, call)
    _expect(f"the number of calls that woke the {winner.name}", winner.pushed.qsize(), 0)
    return heard


# Steps that several plays have


async def _register(stage: Stage) -> None:
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


async def _call_and_wake(stage: Stage) -> Ringing:
    play, app = stage.play, stage.app
    play.teller.chapter("A call to the app that sleeps")
    async with play.step(
        "called", f"{CALLER_NUMBER} calls {APP_NUMBER}; a push wakes the app, of which nothing is connected"
    ):
        conversation = await stage.caller.call(APP_NUMBER)
        await play.until(_INVITE)
    async with play.step("pushed", "the app is woken", silent=True):
        async with _up(conversation) as over:
            token = str((await _before(over, app.woken(INCOMING_CALL)))["callToken"])
        stage.note_calls()
    async with play.step("fetched", f"the {app.name} is awake, and asks for the call"):
        offer = str((await app.of_call("GET", token))["sdp_offer"])
    async with play.step("ringing", "it rings"):
        await app.of_call("POST", token, "/ringing")
        await conversation.ringing.wait()
    return Ringing(conversation, token, offer)


async def _take(stage: Stage, call: Ringing) -> None:
    async with stage.play.step("accepted", f"the {stage.app.name} takes the call"), _up(call.caller) as over:
        await stage.app.accept(call.token, call.offer, stage.engine)
        await _before(over, call.caller.answered.wait())


@asynccontextmanager
async def _up(conversation: Conversation) -> AsyncIterator[asyncio.Task[None]]:
    """A task that fails when the call ends, while it should not."""
    over = asyncio.create_task(_over(conversation), name="demo call")
    try:
        yield over
    finally:
        over.cancel()
        await asyncio.wait({over})


async def _over(conversation: Conversation) -> None:
    """Raises DemoFailed when a call ends."""
    await conversation.over.wait()
    outcome = conversation.outcome
    why = f"{outcome.status} {outcome.reason}" if outcome is not None else "nobody says why"
    raise DemoFailed(f"the caller's call ended: {why}")


async def _talk(stage: Stage, conversation: Conversation) -> tuple[Heard, ...]:
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


async def _app_hangs_up(stage: Stage, call: Ringing) -> None:
    async with stage.play.step("hung_up", f"the {stage.app.name} hangs up"):
        await stage.app.of_call("POST", call.token, "/hangup")
        await call.caller.over.wait()
        await stage.over()


async def _before(other: asyncio.Task[Any], wanted: Coroutine[Any, Any, T]) -> T:
    """What is wanted, unless ``other`` fails or ends before: its error then, or DemoFailed."""
    task = asyncio.create_task(wanted, name="demo step")
    try:
        await asyncio.wait({task, other}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        other.result()
        raise DemoFailed("it was over before")
    finally:
        task.cancel()
        await asyncio.wait({task})


def _of(code: str, app: App, stage: Stage) -> str:
    """The code of a step that each device has: ``registered``, ``registered_2``."""
    number = stage.apps.index(app) + 1
    return code if number == 1 else f"{code}_{number}"


def _expect(what: str, seen: object, wanted: object) -> None:
    """Raises DemoFailed."""
    if seen != wanted:
        raise DemoFailed(f"{what} is {seen} and not {wanted}")


_GIVEN_UP = Mark("sip", CALLER, PBX, "CANCEL")
_PLACED = Mark("rest", "", GATEWAY, "POST /v1/calls")
_RUNG = Mark("sip", PBX, CALLER, "INVITE")

SCENES: Final = {
    "incoming": Scene("incoming", (APP,), incoming, (*_WOKEN, *_TAKEN)),
    "cancel": Scene(
        "cancel",
        (APP,),
        cancelled,
        (
            *_WOKEN,
            Span(
                "cancel_to_push",
                "the caller's CANCEL to the push that tells of it",
                _GIVEN_UP,
                Mark("push", GATEWAY, PUSH, "alert"),
            ),
        ),
    ),
    "outgoing": Scene(
        "outgoing",
        (APP,),
        outgoing,
        (
            Span("place_to_invite", "the app's request to INVITE at the callee", _PLACED, _RUNG),
            Span(
                "answer_to_reply",
                "the callee's 200 to the reply to the app",
                Mark("sip", CALLER, PBX, "200", "INVITE"),
                Mark("rest", GATEWAY, "", "200"),
            ),
        ),
    ),
    "two": Scene("two", (IPHONE, ANDROID), two, (*_WOKEN, *_TAKEN)),
}
