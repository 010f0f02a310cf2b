"""The plays: what the parties do, step by step. Each step has its deadline, and a name for who reads JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from trunkline.app.demo.acts import (
    INCOMING_CALL,
    INVITE,
    app_hangs_up,
    before,
    call_and_wake,
    expect,
    register,
    running,
    take,
    talk,
)
from trunkline.app.demo.stage import CALLER_NUMBER, Stage
from trunkline.app.demo.steps import APP, CALLER, GATEWAY, PBX, PUSH, Mark, Span
from trunkline.app.demo.summary import Heard

IPHONE, ANDROID = "iPhone", "Android"
TOO_LATE: Final = "v=0\r\n"  # an answer that nobody looks at
CANCELLED, ELSEWHERE = "call_cancelled", "answered_elsewhere"
_PUSHED = Mark("push", GATEWAY, PUSH)
_ACCEPTED = Mark("rest", "", GATEWAY, "*/accept")
_ANSWERED = Mark("sip", PBX, CALLER, "200", "INVITE")
_WOKEN = (
    Span("invite_to_push", "INVITE at the gateway to the push at its service", INVITE, _PUSHED),
    Span("push_to_ringing", "that push to 180 at the caller", _PUSHED, Mark("sip", PBX, CALLER, "180")),
)
_TAKEN = (
    Span("push_to_accept", "that push to the app's accept", _PUSHED, _ACCEPTED),
    Span("accept_to_200", "the app's accept to 200 at the caller", _ACCEPTED, _ANSWERED),
)


@dataclass(frozen=True, slots=True)
class Scene:
    """``apps`` are the names of the devices, ``play`` is what happens, ``spans`` the times that are told of it."""

    apps: tuple[str, ...]
    play: Callable[[Stage], Awaitable[tuple[Heard, ...]]]
    spans: tuple[Span, ...]

    @property
    def parties(self) -> tuple[str, ...]:
        """The columns."""
        return (CALLER, PBX, GATEWAY, PUSH, *self.apps)


async def incoming(stage: Stage) -> tuple[Heard, ...]:
    """A sleeping app is woken, takes the call, both hear each other, the app hangs up."""
    await register(stage)
    call = await call_and_wake(stage)
    await take(stage, call)
    heard = await talk(stage, call.caller)
    await app_hangs_up(stage, call)
    return heard


async def cancelled(stage: Stage) -> tuple[Heard, ...]:
    """The caller gives up while the app rings."""
    await register(stage)
    call = await call_and_wake(stage)
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
    await register(stage)
    play, app, caller = stage.play, stage.app, stage.caller
    async with play.step("phone_registered", f"the phone {CALLER_NUMBER} registers too"):
        await caller.register()
    play.teller.chapter("The app calls out")
    async with AsyncExitStack() as stack:
        async with play.step("placed", f"the app calls {CALLER_NUMBER}, and {CALLER_NUMBER} rings"):
            placing = await stack.enter_async_context(running(app.place(CALLER_NUMBER, stage.engine)))
            conversation = await before(placing, stage.incoming.get())
            stage.note_calls()
        async with play.step("answered", f"{CALLER_NUMBER} answers"):
            await conversation.answer()
            token = await placing
    heard = await talk(stage, conversation)
    async with play.step("hung_up", f"{CALLER_NUMBER} hangs up"):
        conversation.hang_up()
        await conversation.over.wait()
        await stage.over()
    async with play.step("ended", "the app asks how its call ended"):
        told = await app.of_call("GET", token, "/status")
        expect("the call's status", told["status"], "ended")
    return heard


async def two(stage: Stage) -> tuple[Heard, ...]:
    """Two devices of one user ring; the first to accept has the call."""
    await register(stage)
    winner, loser = stage.apps
    call = await call_and_wake(stage)
    async with stage.play.step("both_ringing", f"the {loser.name} has woken too, and rings"):
        other = str((await loser.woken(INCOMING_CALL))["callToken"])
        await loser.of_call("GET", other)
        await loser.of_call("POST", other, "/ringing")
    await take(stage, call)
    async with stage.play.step("elsewhere", f"the {loser.name} is told that the call is taken", silent=True):
        await loser.woken(ELSEWHERE)
    async with stage.play.step("too_late", f"the {loser.name} takes it all the same, too late"):
        await loser.of_call("POST", other, "/accept", {"sdp_answer": TOO_LATE}, wanted=409)
    heard = await talk(stage, call.caller)
    await app_hangs_up(stage, call)
    expect(f"the number of calls that woke the {winner.name}", winner.pushed.qsize(), 0)
    return heard


_GIVEN_UP = Mark("sip", CALLER, PBX, "CANCEL")
_PLACED = Mark("rest", "", GATEWAY, "POST /v1/calls")
_RUNG = Mark("sip", PBX, CALLER, "INVITE")

SCENES: Final = {
    "incoming": Scene((APP,), incoming, (*_WOKEN, *_TAKEN)),
    "cancel": Scene(
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
    "two": Scene((IPHONE, ANDROID), two, (*_WOKEN, *_TAKEN)),
}
