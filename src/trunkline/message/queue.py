"""The queue of texts: delivered at once where that can be, else kept until the reader comes back.

A text for a reader who can be reached is sent while its writer waits, and the reader's answer is the writer's. When
nobody takes it, it is written to the store and the writer is told 202 (RFC 3428 §7: accepted, not yet delivered). From
then on everything for that reader lines up behind it. A crash between a reader's answer and the deletion of the kept
text may deliver it twice, under one Call-ID; it is never lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from trunkline.base.errors import CallFailed, TrunklineError
from trunkline.base.story import Story
from trunkline.base.wheel import TimerWheel
from trunkline.message.lane import Lane, Waiting
from trunkline.message.policy import TextPolicy
from trunkline.message.ports import Deliver, Journal
from trunkline.model.text import Text

ACCEPTED: Final = 202
UNREACHABLE: Final = 480
# After these nobody was there, or it may be otherwise the next time; all others are decisions about the text.
_PASSING: Final = frozenset({UNREACHABLE, 486, 500, 502, 504})
_FAULTS: Final = frozenset({500, 502, 504})
# That somebody types is stale at once (RFC 3994).
_FLEETING: Final = "application/im-iscomposing+xml"

OnOver = Callable[[Text, int, Story], None]


@dataclass(frozen=True, slots=True)
class LaneState:
    """What waits for a reader, for people: never what the texts say."""

    tenant: str
    receiver: str
    count: int
    oldest_at: float
    attempts: int
    why: str


class TextQueue:
    """All texts that wait. ``now`` is the wheel's clock, ``wall`` gives wall-clock seconds.

    ``on_over(text, status, story)`` hears of each kept text that is kept no more: delivered (2xx), or why not.
    """

    def __init__(
        self,
        deliver: Deliver,
        journal: Journal,
        wheel: TimerWheel,
        *,
        now: Callable[[], float],
        wall: Callable[[], float],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        policy: TextPolicy | None = None,
        on_over: OnOver = lambda _text, _status, _story: None,
    ) -> None:
        self.policy = policy or TextPolicy()
        self.count = 0
        self._deliver = deliver
        self._journal = journal
        self._wheel = wheel
        self._now = now
        self._wall = wall
        self._spawn = spawn
        self._on_over = on_over
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._taking_turns: dict[Lane, None] = {}
        self.on_kept: Callable[[Text], None] = lambda _text: None
        """Told of each text that begins to wait: its reader may have phones that can be woken."""
        self._making_up = 0  # lanes whose kept texts are on their way

    # What comes in

    def restore(self, texts: Iterable[Text]) -> None:
        """Take in what was kept over a restart, oldest first; ``start`` sends it."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        written.set_result(None)
        for text in texts:
            waiting = Waiting(text, Story(self._now()), may_keep=True)
            waiting.keeping, waiting.kept = written, True
            self._enter(self._lane(text), waiting)

    def start(self) -> None:
        """Try everybody for whom something waits."""
        for lane in list(self._lanes.values()):
            self._work(lane)

    async def submit(self, text: Text, story: Story, *, keep: bool = True) -> int:
        """What the writer is told: the reader's 2xx, or 202 when the text is kept. Raises CallFailed.

        With ``keep`` false the text is delivered now or not at all.
        """
        may_keep = (
            keep
            and self.policy.keep_s > 0
            and text.expires_at > text.received_at
            and not text.content_type.lower().startswith(_FLEETING)
        )
        waiting = Waiting(text, story, may_keep=may_keep)
        waiting.answer = asyncio.get_running_loop().create_future()
        lane = self._lane(text)
        if lane.away and not may_keep:
            raise _failed(UNREACHABLE, "text.not_kept")
        self._check_room(lane)
        self._enter(lane, waiting)
        if lane.away:
            await self._keep(lane, waiting)
        else:
            self._work(lane)
        turn = self._wheel.call_at(self._now() + self.policy.turn_s, lambda _now: self._turn(lane, waiting))
        try:
            return await waiting.answer
        finally:
            self._wheel.cancel(turn)

    def wake(self, tenant: str, receiver: str) -> None:
        """The reader has come back: send what waits."""
        lane = self._lanes.get((tenant, receiver))
        if lane is None:
            return
        lane.attempts = 0
        lane.woken = lane.sending
        if lane.away:
            self._come_back(lane)

    def drop(self, tenant: str, receiver: str) -> int:
        """Forget what is kept for a reader; returns how many texts that were."""
        lane = self._lanes.get((tenant, receiver))
        return 0 if lane is None else self._forget(lane, 410, "an operator dropped it")

    def gone(self, tenant: str, receiver: str = "") -> None:
        """An extension was removed, or a whole tenant: who has the number later is somebody else."""
        if receiver:
            lanes = [lane for lane in (self._lanes.get((tenant, receiver)),) if lane is not None]
        else:
            lanes = [lane for key, lane in self._lanes.items() if key[0] == tenant]
        for lane in lanes:
            self._forget(lane, 404, "its reader was removed")

    def _forget(self, lane: Lane, status: int, why: str) -> int:
        kept = [each for each in lane.texts if each.kept]
        for each in kept:
            each.story.add(self._now(), "text.forgotten", why)
            self._leave(lane, each, status)
        return len(kept)

    def lanes(self, tenant: str | None = None) -> Iterator[LaneState]:
        """For whom something waits, in no order."""
        for (owner, receiver), lane in self._lanes.items():
            if lane.texts and tenant in {None, owner}:
                oldest = lane.texts[0].text.received_at
                yield LaneState(owner, receiver, len(lane.texts), oldest, lane.attempts, lane.why)

    def _lane(self, text: Text) -> Lane:
        key = text.tenant, text.receiver
        return self._lanes.get(key) or Lane(key)

    def _check_room(self, lane: Lane) -> None:
        if len(lane.texts) >= self.policy.most_of_one or self.count >= self.policy.most:
            raise _failed(UNREACHABLE, "text.queue_full")

    def _enter(self, lane: Lane, waiting: Waiting) -> None:
        self._lanes[lane.key] = lane
        lane.texts.append(waiting)
        self.count += 1

    def _leave(self, lane: Lane | None, waiting: Waiting, outcome: int | CallFailed) -> None:
        """A text is over, however it ended."""
        if lane is None or waiting not in lane.texts:
            return
        lane.texts.remove(waiting)
        self.count -= 1
        waiting.tell(outcome)
        if waiting.keeping is not None:
            self._journal.gone(waiting.text)
        if waiting.kept:
            self._on_over(
                waiting.text, outcome if isinstance(outcome, int) else outcome.status, waiting.story
            )
        if not lane.texts:
            self._cancel_retry(lane)
            self._taking_turns.pop(lane, None)
            self._lanes.pop(lane.key, None)

    # Sending

    def _work(self, lane: Lane) -> None:
        if not lane.texts or lane.sending or lane.away:
            return
        makes_up = lane.texts[0].kept
        if makes_up and self._making_up >= self.policy.most_at_once:
            # Who writes now does not wait for them: doors bound how many do.
            self._taking_turns[lane] = None
            return
        lane.sending = True
        self._making_up += makes_up
        self._spawn(self._send_all(lane, makes_up=makes_up))

    async def _send_all(self, lane: Lane, *, makes_up: bool) -> None:
        try:
            while lane.texts and not lane.away:
                await self._send(lane, lane.texts[0])
        finally:
            lane.sending = False
            self._making_up -= makes_up
            if lane.texts and not lane.away:
                self._go_away(lane)  # a fault of ours: later, then
            task = asyncio.current_task()
            if task is not None and not task.cancelling():
                self._next_turn()

    def _next_turn(self) -> None:
        while self._taking_turns and self._making_up < self.policy.most_at_once:
            lane = next(iter(self._taking_turns))
            del self._taking_turns[lane]
            self._work(lane)

    async def _send(self, lane: Lane, first: Waiting) -> None:
        text = first.text
        if first.kept and text.expires_at <= self._wall():
            first.story.add(self._now(), "text.expired", f"{text.receiver} did not come back in time")
            self._leave(lane, first, 408)
            return
        try:
            status = await self._deliver(text, first.story)
        except CallFailed as failure:
            await self._not_delivered(lane, first, failure)
        except Exception:
            self._leave(lane, first, _failed(500, "text.fault"))
            raise
        else:
            lane.attempts, lane.woken, lane.why = 0, False, ""
            self._leave(lane, first, status)

    async def _not_delivered(self, lane: Lane, first: Waiting, failure: CallFailed) -> None:
        lane.why = f"{failure.status} {failure.reason}"
        first.faults += failure.status in _FAULTS
        may_wait = failure.status in _PASSING if first.kept else failure.status == UNREACHABLE
        may_wait = may_wait and first.faults < self.policy.most_faults
        if not may_wait or not first.may_keep:
            self._leave(lane, first, failure)
            return
        await self._keep(lane, first)
        if not lane.texts:
            return
        if lane.woken:
            lane.woken = False
            return  # it is elsewhere by now: once more, at once
        self._go_away(lane)
        for other in [each for each in lane.texts if not each.kept]:
            if other.may_keep:
                await self._keep(lane, other)
            else:
                self._leave(lane, other, failure)

    def _go_away(self, lane: Lane) -> None:
        lane.away = True
        lane.attempts += 1
        at = self._now() + self.policy.retry_s(lane.attempts)
        lane.retry = self._wheel.call_at(at, lambda _now: self._come_back(lane))

    def _come_back(self, lane: Lane) -> None:
        self._cancel_retry(lane)
        lane.away = False
        self._work(lane)

    def _cancel_retry(self, lane: Lane) -> None:
        if lane.retry is not None:
            self._wheel.cancel(lane.retry)
            lane.retry = None

    # Keeping

    def _turn(self, lane: Lane, waiting: Waiting) -> None:
        """It still waits for those before it, and its writer cannot wait for long."""
        if waiting not in lane.texts or waiting is lane.texts[0]:
            return
        if waiting.may_keep:
            self._spawn(self._keep(lane, waiting))
        else:
            self._leave(lane, waiting, _failed(UNREACHABLE, "text.not_kept"))

    async def _keep(self, lane: Lane, waiting: Waiting) -> None:
        """Write it down, and tell its writer; when it cannot be written it is over."""
        if waiting.kept:
            return
        try:
            if waiting.keeping is None:
                waiting.keeping = asyncio.ensure_future(self._journal.keep(waiting.text))
            await asyncio.shield(waiting.keeping)
        except TrunklineError as error:
            waiting.keeping = None
            waiting.story.add(self._now(), "text.not_kept", f"it could not be written: {error}")
            self._leave(lane, waiting, _failed(500, "text.not_kept"))
            return
        if waiting in lane.texts:
            waiting.kept = True
            waiting.story.add(self._now(), "text.kept", f"kept until {waiting.text.receiver} comes back")
            waiting.tell(ACCEPTED)
            self.on_kept(waiting.text)


def _failed(status: int, code: str) -> CallFailed:
    reasons = {UNREACHABLE: "Temporarily Unavailable", 500: "Server Internal Error"}
    return CallFailed(status, reasons[status], None, code)
