"""Checkpoints: the calls in progress are written down behind their backs, so that they outlive a crash.

A sweep each second gathers what is due into one batch: a call that is up for some seconds, one that changed
since, one that rings for long. Short calls, most of them under load, are never written; a call that ended is
deleted only if it was. Who rings an app asks for its call to be written at once.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from trunkline.base.errors import TrunklineError
from trunkline.call.snapshot import can_be_kept, is_settled, written_form
from trunkline.model.kept_call import KeptCall

if TYPE_CHECKING:
    from trunkline.call.call import Call
    from trunkline.call.registry import Calls

SWEEP_S: Final = 1.0
MATURE_S: Final = 2.0  # how long a call rings, or is up, before it is worth a row
BEAT_S: Final = 30.0  # how often all rows are told to be of calls that are still up
SLICE: Final = 20  # most calls written at a time, 100 µs each: the loop is held up for two milliseconds,
PAUSE_S: Final = 0.02  # and a tenth of a processor at most goes into it, whatever the load

PATIENCE_S: Final = 0.5  # a disk that takes longer is not waited for by who calls, or is called

Stamp: TypeAlias = tuple[int, int, int]
_RINGS: Final[Stamp] = (-1, 0, 0)


class Journal(Protocol):
    """Where kept calls go; it does not block. Its errors are TrunklineErrors: then it is asked again later."""

    def write(self, calls: Sequence[KeptCall]) -> None:
        """Write calls, new or known."""
        ...

    def gone(self, calls: Iterable[tuple[str, str]]) -> None:
        """Delete calls by (tenant, id)."""
        ...

    def alive(self, node: int, at: float) -> None:
        """All calls of a node are still up."""
        ...

    def on_disk(self) -> Awaitable[None]:
        """Done when all before is on disk. Its errors are TrunklineErrors, at once or awaited."""
        ...


class Checkpoints:
    """Keeps the journal equal to the calls that are worth it. ``wall`` gives wall-clock seconds."""

    def __init__(self, calls: Calls, journal: Journal, node: int, wall: Callable[[], float]) -> None:
        self._calls = calls
        self._journal = journal
        self._node = node
        self._wall = wall
        self._written: dict[str, tuple[str, Stamp]] = {}
        self._waiting: list[Call] = []
        self._slice = 0
        self._due = 0.0
        self._beat_due = 0.0

    @property
    def written(self) -> int:
        """How many calls are in the journal; never more than there are calls."""
        return len(self._written)

    def step(self, now: float) -> float:
        """Do what is due at ``now`` (seconds of any steady clock); returns when to call again."""
        if not self._waiting:
            if now < self._due:
                return self._due
            self._due = now + SWEEP_S
            self._forget_ended()
            self._waiting = self._gather()
            # Spread over the time until the next sweep: what waits for the disk meanwhile takes memory.
            self._slice = min(SLICE, math.ceil(len(self._waiting) * PAUSE_S / SWEEP_S))
            self._beat(now)
        some, self._waiting = self._waiting[: self._slice], self._waiting[self._slice :]
        self.write([call for call in some if call.id in self._calls.active and _can_be_written(call)])
        return now + PAUSE_S if self._waiting else self._due

    def write(self, calls: Sequence[Call]) -> None:
        """Write calls as they are now, whether they are due or not."""
        if not calls:
            return
        at = self._wall()
        rows: list[KeptCall] = []
        stamps: dict[str, tuple[str, Stamp]] = {}
        for call in calls:
            rows.append(KeptCall(call.tenant, call.id, self._node, written_form(call), at))
            stamps[call.id] = call.tenant, _stamp(call)
        try:
            self._journal.write(rows)
        except TrunklineError:
            return  # the writer is behind: the next sweep finds them due again
        self._written.update(stamps)

    def write_now(self, call: Call) -> None:
        """Write a call with an app at the moment when others are told of it, in whatever state it is."""
        if call.id in self._calls.active and can_be_kept(call):
            self.write([call])

    async def on_disk(self) -> None:
        """Return when all that was written before is on disk, or the disk takes too long."""
        with suppress(TrunklineError, TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await self._journal.on_disk()

    def adopt(self, calls: Iterable[KeptCall]) -> None:
        """Rows that were found at the start; those whose calls are not taken up go with the next sweep."""
        self._written.update({kept.id: (kept.tenant, _RINGS) for kept in calls})

    def close(self) -> None:
        """Delete everything: after an orderly stop no call is left."""
        self._waiting = []
        self._delete(list(self._written))

    def _gather(self) -> list[Call]:
        mature, written = self._wall() - MATURE_S, self._written
        due: list[Call] = []
        for call in self._calls.active.values():
            known = written.get(call.id)
            answered_at = call.legs[0].outcome.answered_at
            if answered_at is None:
                if known is None:
                    if call.started_at <= mature:
                        due.append(call)
                elif known[1] != _stamp(call):
                    due.append(call)
            elif (known is None or known[1] != _stamp(call)) and answered_at <= mature and is_settled(call):
                due.append(call)
        return due

    def _forget_ended(self) -> None:
        self._delete([key for key in self._written if key not in self._calls.active])

    def _delete(self, keys: list[str]) -> None:
        self._journal.gone([(self._written[key][0], key) for key in keys])
        for key in keys:
            del self._written[key]

    def _beat(self, now: float) -> None:
        if now < self._beat_due or not self._written:
            return
        self._beat_due = now + BEAT_S
        try:
            self._journal.alive(self._node, self._wall())
        except TrunklineError:
            self._beat_due = now


def _can_be_written(call: Call) -> bool:
    """A call that is up is not written while it changes: what is known of it serves until then."""
    return call.legs[0].outcome.answered_at is None or is_settled(call)


def _stamp(call: Call) -> Stamp:
    """What tells that a call is no longer as it was written."""
    if call.legs[0].outcome.answered_at is None:
        if not call.has_apps:
            return _RINGS
        # A leg more or less, or whatever else its story tells, such as a push that was taken.
        return -1, len(call.legs) + sum(leg.done for leg in call.legs), len(call.story.steps)
    doing = call.service.doing if call.service is not None else None
    return call.changes, len(call.legs), id(type(doing)) if call.bridge is None else id(call.bridge)
