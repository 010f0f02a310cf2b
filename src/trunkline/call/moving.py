"""Calls whose media engine is lost, or to be left: their ports are opened at another, their parties told where."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from heapq import nsmallest
from math import ceil
from typing import TYPE_CHECKING, Final

from trunkline.base.errors import CallFailed, MediaError, RemoteProtocolError
from trunkline.call.agreement import ask
from trunkline.call.registry import Calls
from trunkline.call.restored import LOST
from trunkline.media.commands import FindOwner, MoveOwner
from trunkline.media.events import EngineLeaving, EngineLost, MediaEvent
from trunkline.media.offer_answer import check_answer, streams_of

if TYPE_CHECKING:
    from trunkline.call.call import Call
    from trunkline.call.leg import Leg

AGAIN_S: Final = 2.0
"""Until another try, when no engine takes a call."""
AWAITED_S: Final = 10.0
"""How long calls that outlived a crash wait for the first rtpengine that answers: one that was started anew with us, or
lost its network for a moment, is there by then; nobody listens to silence for much longer."""
_LOOK_S: Final = 0.2


class Moves:
    """A listener of the engine. ``per_s`` calls begin to move in a second; with 0 they stay where they are.

    Those in which both parties talk come first, then those that ring, then those on hold; the oldest first.
    """

    def __init__(self, calls: Calls, per_s: float) -> None:
        self._calls = calls
        self._per_s = per_s
        self._waiting: dict[str, str] = {}  # why, by the call's id
        self._under_way: set[str] = set()
        self._telling: set[str] = set()
        self._paces = False

    def __call__(self, event: MediaEvent) -> None:
        if not self._per_s or not isinstance(event, EngineLost | EngineLeaving):
            return
        call = self._calls.active.get(event.owner)
        if call is None:
            return
        if isinstance(event, EngineLost):
            self._wait(call, event.reason, lost=True)
        else:
            self._wait(call, "it is taken out of use", lost=False)

    @property
    def pending(self) -> int:
        """How many calls wait, move, or have parties that are being told."""
        return len(self._waiting.keys() | self._under_way | self._telling)

    def resume(self, calls: Iterable[Call]) -> None:
        """Calls that another process had before it died, as far as their ports could not be had where they were.

        Where calls are not moved they end: their parties speak to a place where nobody listens.
        """
        for call in calls:
            there = [leg for leg in call.legs if not leg.done]
            if any(leg.media.awaited for leg in there):
                call.context.spawn(self._found(call))
            elif any(leg.media.is_elsewhere for leg in there):
                if self._per_s:
                    call.tell("media.moved", "media is elsewhere since the exchange crashed")
                self._carry_on(call)

    def _carry_on(self, call: Call) -> None:
        """At another place than before the crash."""
        if self._per_s:
            self._wait(call, "the exchange crashed", lost=False)
        else:
            _end(call, "its rtpengine has forgotten it or is gone, and media.rtpengine.moves_per_s is 0")

    async def _found(self, call: Call) -> None:
        """No rtpengine answered as we started: one that does soon may have gone on relaying the call."""
        try:
            async with asyncio.timeout(AWAITED_S):
                found = await call.context.engine.execute(FindOwner(call.id))
        except TimeoutError:
            if call.id in self._calls.active:
                _end(call, f"no rtpengine has answered for {AWAITED_S:g} s")
            return
        for leg in call.legs:
            leg.media.awaited = False
        if not found.known and call.id in self._calls.active:
            self._carry_on(call)

    def _wait(self, call: Call, why: str, *, lost: bool) -> None:
        if lost or call.id not in self._waiting:
            self._waiting[call.id] = why
        if not self._paces:
            self._paces = True
            call.context.spawn(self._pace())

    async def _pace(self) -> None:
        """One call after another; which ones is chosen anew each second, for thousands may wait."""
        try:
            await asyncio.sleep(0)  # all that an engine's end tells is told first
            while self._waiting:
                batch = self._first()
                for call in batch:
                    if self._is_ready(call):
                        call.context.spawn(self._move(call, self._waiting.pop(call.id)))
                        await asyncio.sleep(1.0 / self._per_s)
                if not batch and self._waiting:
                    await asyncio.sleep(_LOOK_S)
        finally:
            self._paces = False

    def _first(self) -> list[Call]:
        """Those that are moved in the next second; calls that are over wait no more."""
        active = self._calls.active
        for gone in [call for call in self._waiting if call not in active]:
            del self._waiting[gone]
        ready = (call for call in map(active.__getitem__, self._waiting) if self._is_ready(call))
        return nsmallest(ceil(self._per_s), ready, key=_rank)

    def _is_ready(self, call: Call) -> bool:
        """Whether it waits and can be moved: in the midst of a transfer its ports are yet in nobody's books."""
        waits = call.id in self._waiting and call.id in self._calls.active
        return waits and call.id not in self._under_way and call.transfer is None

    async def _move(self, call: Call, why: str) -> None:
        self._under_way.add(call.id)
        try:
            moved = await call.context.engine.execute(MoveOwner(call.id))
        except MediaError as error:
            self._try_again(call, why, error)
            return
        finally:
            self._under_way.discard(call.id)
        if moved.ports:
            call.tell("media.moved", f"media goes from {moved.before} to {moved.after}: {why}")
            for leg in call.legs:
                leg.media.move_to(moved.ports)
            call.changes += 1
        if any(leg.media.is_elsewhere for leg in call.legs if not leg.done):
            await self._tell_parties(call)

    async def _tell_parties(self, call: Call) -> None:
        """Once nothing is being changed. A call that was moved again meanwhile is told that too."""
        if call.id in self._telling:
            return
        self._telling.add(call.id)
        try:
            while await _is_still(call):
                parties = [leg for leg in _parties(call) if leg.media.is_elsewhere]
                if not parties or not await _tell(call, parties):
                    return
        finally:
            self._telling.discard(call.id)

    def _try_again(self, call: Call, why: str, error: MediaError) -> None:
        """Until one takes it, the call ends, or its engine is there again."""
        if not any(step.code == "media.not_moved" for step in call.story.steps):
            call.tell("media.not_moved", str(error), why=error.code)

        async def later() -> None:
            await asyncio.sleep(AGAIN_S)
            if call.id in self._calls.active and call.id not in self._waiting:
                self._wait(call, why, lost=False)

        call.context.spawn(later())


def _end(call: Call, why: str) -> None:
    call.tell(LOST, why)
    call.hang_up(code=LOST)


def _rank(call: Call) -> tuple[int, float, str]:
    talks = call.bridge is not None or call.service is not None
    return (2 if call.held else 0 if talks else 1), call.started_at, call.id


async def _tell(call: Call, parties: list[Leg]) -> bool:
    """Both at once; whoever does not take it ends the call."""
    outcomes = await asyncio.gather(*(_offer(call, leg) for leg in parties))
    if not all(outcomes) or any(leg.done for leg in _parties(call)):
        return False
    try:
        await _go_on(call, parties)
    except (RemoteProtocolError, MediaError) as error:
        _break(call, error)
        return False
    return True


def _break(call: Call, error: Exception) -> None:
    call.tell("call.bad_answer", str(error))
    call.hang_up(code="call.bad_answer")


async def _is_still(call: Call) -> bool:
    """Wait until its parties talk and nothing is being changed; False when it is over before.

    The caller may have left by a transfer long ago.
    """
    while not all(leg.done for leg in call.legs):
        parties = _parties(call)
        if parties and call.transfer is None and all(leg.settled for leg in parties):
            return True
        await asyncio.sleep(_LOOK_S)
    return False


def _parties(call: Call) -> tuple[Leg, ...]:
    if call.bridge is not None:
        return call.bridge.a, call.bridge.b
    service = call.service
    return tuple(leg for leg in call.legs if service is not None and service.serves(leg))


async def _offer(call: Call, leg: Leg) -> bool:
    """Offer a party what it was told before, with the new addresses; whether it takes that."""
    body = leg.media.retold()
    try:
        _, answer = await ask(leg, body)
        check_answer(streams_of(leg.media.told), answer)
    except CallFailed as failure:
        if not leg.done:
            who = leg.outcome.number
            call.tell(
                "media.move_refused", f"{who} does not take the new address: {failure}", status=failure.status
            )
            call.hang_up(code="media.move_refused")
        return False
    except RemoteProtocolError as error:
        _break(call, error)
        return False
    return True


async def _go_on(call: Call, parties: list[Leg]) -> None:
    """Relay by what they have answered: their addresses may be others too."""
    bridge, service = call.bridge, call.service
    if bridge is not None and bridge.a.media.said and bridge.b.media.said:
        sides = streams_of(bridge.a.media.said), streams_of(bridge.b.media.said)
        await bridge.hear(bridge.a, sides[0], bridge.b, sides[1])
        return
    for leg in parties:
        said, told = streams_of(leg.media.said), streams_of(leg.media.told)
        first = service.media.position if bridge is None and service is not None and service.media else 0
        await leg.media.hear(said[first:], told[first:], first)
    if bridge is not None:
        await bridge.link()
