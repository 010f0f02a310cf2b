"""What a caller sees and hears before the answer: ringing passed on, a callee's early media relayed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from trunkline.base.errors import CallFailed, MediaError, RemoteProtocolError
from trunkline.call.bridge import Bridge
from trunkline.call.leg import Leg
from trunkline.media.offer_answer import check_answer

if TYPE_CHECKING:
    from trunkline.call.call import Call


class EarlyMedia:
    """Progress in the order in which it came; one at a time joins media of the call's legs.

    All callees' progress goes up in one early dialog; where several send media, the latest is heard.
    """

    __slots__ = ("_behind", "_call", "_turn")

    def __init__(self, call: Call) -> None:
        self._call = call
        self._behind = 0  # how much is under way or waits for its turn
        self._turn: asyncio.Lock | None = None  # most callees send no media before they answer

    def progress(self, leg: Leg, status: int, body: bytes) -> None:
        """101..199 of a callee, with its description when it sends media."""
        call = self._call
        if body and call.invitation.offer:
            self._behind += 1
            call.context.spawn(self._relay(leg, status, body))
        elif status == 199:
            return  # RFC 6228: the end of one callee's early dialog says nothing about the others
        elif self._behind:
            self._behind += 1
            call.context.spawn(self._pass_on(status))
        else:
            # RFC 3960 §3.2: a 180 after a 183 is passed on too, the phone knows what to play.
            call.caller_leg.progress(status, b"")

    async def end(self) -> None:
        """A callee was chosen: what came before that is passed on first, and nothing after it; the fork is over."""
        if not self._behind:
            self._call.fork = None
            return
        async with self._lock():
            self._call.fork = None

    def _lock(self) -> asyncio.Lock:
        if self._turn is None:
            self._turn = asyncio.Lock()
        return self._turn

    async def _pass_on(self, status: int) -> None:
        async with self._in_order():
            if self._call.fork is not None:
                self._call.caller_leg.progress(status, b"")

    async def _relay(self, leg: Leg, status: int, body: bytes) -> None:
        call = self._call
        async with self._in_order():
            if call.fork is None or leg.done:
                return
            try:
                described = await self._join(leg, body)
            except (RemoteProtocolError, MediaError, CallFailed) as error:
                call.tell("media.early_refused", f"{leg.outcome.target}: {error}")
                described = b""
            call.caller_leg.progress(status, described)

    @asynccontextmanager
    async def _in_order(self) -> AsyncIterator[None]:
        """Whoever asks for the turn first has it first; until it is done, what comes after waits behind it."""
        try:
            async with self._lock():
                yield
        finally:
            self._behind -= 1

    async def _join(self, leg: Leg, body: bytes) -> bytes:
        call, caller = self._call, self._call.caller_leg
        answered = check_answer(call.invitation.streams, body)
        await Bridge(call, caller, leg).hear(caller, call.invitation.streams, leg, answered)
        return caller.media.rewritten(body, len(answered))
