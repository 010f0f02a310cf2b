"""All providers behind one face: who sends, how many wait, what became of everything.

A call goes before whatever else waits for its provider: who is being called has seconds, a missed call has time.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import structlog

from trunkline.base.errors import ConfigError
from trunkline.push.doubts import Doubts
from trunkline.push.fitting import fitted
from trunkline.push.notification import (
    Fate,
    Health,
    Notification,
    Outcome,
    Purpose,
    PushAddress,
    Pusher,
    Service,
)

QUEUE: Final = 10_000
# A connection of HTTP/2 carries many requests; the others need a connection for each.
AT_ONCE: Final = {Service.APNS: 1000}
AT_ONCE_BY_OTHERS: Final = 64
_LONGEST_S: Final = 20.0  # pushers answer within a few seconds; this is for one that has a fault
_CLOSING_S: Final = 3.0
_STOPS: Final = "the gateway stops"
_REPLACED: Final = "its provider was replaced, and answered too slowly"
_SECTIONS: Final = {
    Service.APNS: "push.apns",
    Service.FCM: "push.fcm",
    Service.WEBPUSH: "push.webpush",
    Service.WEBHOOK: "push.webhook",
}

log = structlog.get_logger("push")


@dataclass(frozen=True, slots=True)
class Figures:
    """For metrics, since the start. ``outcomes`` counts fates; ``seconds`` is what all of them took together."""

    outcomes: Counter[Outcome]
    queued: int
    under_way: int
    seconds: float

    @property
    def failed(self) -> int:
        """All that was not taken, for whatever reason."""
        return self.outcomes.total() - self.outcomes[Outcome.SENT]


class _Tally:
    """What became of the notifications of a service, whichever of its providers had them."""

    def __init__(self) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self.seconds = 0.0


class _Lane:
    """One provider: at most ``at_once`` notifications are with it, and ``most`` wait. ``begun``: it was started."""

    def __init__(
        self, pusher: Pusher, most: int, at_once: int, tally: _Tally, doubts: Doubts, *, begun: bool
    ) -> None:
        self.pusher = pusher
        self.doubts = doubts
        self.most = most
        self.begun = begun
        self.tally = tally
        self.under_way = 0
        self.closed = ""
        self.idle = asyncio.Event()
        self.idle.set()
        self._at_once = at_once
        self._calls: deque[asyncio.Future[bool]] = deque()
        self._others: deque[asyncio.Future[bool]] = deque()

    @property
    def queued(self) -> int:
        return len(self._calls) + len(self._others)

    async def enter(self, purpose: Purpose) -> bool:
        """Wait for a turn; False when there is none. True must be followed by ``leave``."""
        if self.closed or self.queued >= self.most:
            return False
        if self.under_way < self._at_once:
            self.under_way += 1
            self.idle.clear()
            return True
        line = self._calls if purpose is Purpose.CALL else self._others
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                self.leave()  # the turn came in the same moment
            elif turn in line:
                line.remove(turn)
            raise

    def leave(self) -> None:
        """Give the turn to whoever waits."""
        for line in (self._calls, self._others):
            while line:
                turn = line.popleft()
                if not turn.done():
                    turn.set_result(True)
                    return
        self.under_way -= 1
        if not self.under_way:
            self.idle.set()

    def close(self, why: str) -> None:
        """Nobody gets a turn any more."""
        self.closed = why
        for line in (self._calls, self._others):
            while line:
                turn = line.popleft()
                if not turn.done():
                    turn.set_result(False)


class Pushers:
    """``pushers`` are those that are configured; the others' notifications are refused with a reason.

    ``queue`` notifications at most wait for each provider; ``at_once`` says for services how many are under way.
    Cancel a ``send`` that nobody waits for any more: while it still waits for its turn, nothing is sent.
    """

    def __init__(
        self,
        pushers: Iterable[Pusher],
        *,
        queue: int = QUEUE,
        at_once: Mapping[Service, int] = AT_ONCE,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._at_once = at_once
        self._tallies = {service: _Tally() for service in Service}
        self._lanes = {one.service: self._lane(one, queue, begun=False) for one in pushers}
        self._retiring: dict[_Lane, asyncio.Task[None]] = {}
        self.on_trusted: Callable[[], None] = lambda: None
        """Told when ``trouble_of`` may say less than before: tokens are trusted again, or settings are others."""
        self.unset = 0  # notifications for services that nothing is configured of

    async def start(self) -> list[ConfigError]:
        """Start all of them. Keys that cannot be used are no reason not to start: their errors are returned."""
        wrong = []
        for lane in [one for one in self._lanes.values() if not one.begun]:
            lane.begun = True
            try:
                await lane.pusher.start()
            except ConfigError as error:
                log.warning("push.unusable", service=lane.pusher.service.value, why=str(error))
                wrong.append(error)
        return wrong

    async def stop(self) -> None:
        """What waits is dropped; what is under way gets three seconds."""
        lanes = [*self._lanes.values(), *self._retiring]
        for lane in lanes:
            lane.close(_STOPS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_S):
                for lane in lanes:
                    await lane.idle.wait()
        for lane in self._retiring:
            lane.idle.set()
        await asyncio.gather(*(lane.pusher.stop() for lane in self._lanes.values()), *self._retiring.values())

    def replace(self, fresh: Mapping[Service, Pusher | None], queue: int) -> None:
        """From now on these send, which were started; None: the service is configured no more.

        What is with those before, or waits for them, ends there in its time; then they are stopped. ``queue`` holds for
        all that stay, too.
        """
        for service, pusher in fresh.items():
            old = self._lanes.pop(service, None)
            if pusher is not None:
                self._lanes[service] = self._lane(pusher, queue, begun=True)
            if old is not None:
                task = asyncio.get_running_loop().create_task(self._retire(old), name=f"the last {service}")
                self._retiring[old] = task
        for lane in self._lanes.values():
            lane.most = queue
        if fresh:
            self.on_trusted()

    async def _retire(self, lane: _Lane) -> None:
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LONGEST_S):
                    await lane.idle.wait()
            lane.close(lane.closed or _REPLACED)
            await lane.idle.wait()  # each that is under way has a deadline of its own
            await lane.pusher.stop()
        except Exception:
            log.exception("push.fault", service=lane.pusher.service.value)
        finally:
            del self._retiring[lane]

    def _lane(self, pusher: Pusher, queue: int, *, begun: bool) -> _Lane:
        service = pusher.service
        at_once = self._at_once.get(service, AT_ONCE_BY_OTHERS)
        doubts = Doubts(pusher, self._clock, self._wall, self._trusted)
        return _Lane(pusher, queue, at_once, self._tallies[service], doubts, begun=begun)

    def _trusted(self) -> None:
        self.on_trusted()

    async def send(self, notification: Notification) -> Fate:
        """Never raises but CancelledError."""
        lane = self._lanes.get(notification.address.service)
        if lane is None:
            self.unset += 1
            return Fate(Outcome.REFUSED, reason=_unset(notification.address.service))
        begun, address = self._clock(), notification.address
        if (known := lane.doubts.known(address)) is not None:
            return self._told(lane, known, begun)
        if not await lane.enter(notification.purpose):
            return self._told(lane, Fate(Outcome.DROPPED, reason=_dropped(lane)), begun)
        try:
            fate = await self._send(lane.pusher, notification)
            return self._told(lane, lane.doubts.judged(address, fate), begun)
        finally:
            lane.leave()

    def health(self) -> tuple[Health, ...]:
        """One for each service, in a fixed order."""
        return tuple(self._health_of(service) for service in Service)

    def trouble_of(self, address: PushAddress) -> str:
        """The provider's word for an address that it refused last and that is not given up, else ""."""
        lane = self._lanes.get(address.service)
        return "" if lane is None else lane.doubts.trouble_of(address)

    def figures(self) -> Mapping[Service, Figures]:
        """Of the configured ones."""
        return {service: self._figures_of(service) for service in self._lanes}

    def has(self, service: Service) -> bool:
        """Whether it is configured."""
        return service in self._lanes

    async def _send(self, pusher: Pusher, notification: Notification) -> Fate:
        if 0 < notification.expires_at <= self._wall():
            return Fate(Outcome.DROPPED, reason="it had expired before its turn")
        try:
            async with asyncio.timeout(_LONGEST_S):
                return await pusher.send(fitted(notification))
        except TimeoutError:
            return Fate(Outcome.UNAVAILABLE, reason="the provider took too long")
        except Exception:
            log.exception("push.fault", service=pusher.service.value)  # which must not end a call
            return Fate(Outcome.UNAVAILABLE, reason="a fault of ours")

    def _told(self, lane: _Lane, fate: Fate, begun: float) -> Fate:
        lane.tally.outcomes[fate.outcome] += 1
        lane.tally.seconds += self._clock() - begun
        return fate

    def _figures_of(self, service: Service) -> Figures:
        lanes = [lane for lane in (*self._lanes.values(), *self._retiring) if lane.pusher.service is service]
        tally = self._tallies[service]
        queued, under_way = sum(one.queued for one in lanes), sum(one.under_way for one in lanes)
        return Figures(tally.outcomes.copy(), queued, under_way, tally.seconds)

    def _health_of(self, service: Service) -> Health:
        lane = self._lanes.get(service)
        if lane is None:
            return Health(service, "unset", _unset(service))
        known = lane.pusher.health()
        return lane.doubts.health(replace(known, queued=known.queued + lane.queued))


def _unset(service: Service) -> str:
    return f"nothing is set in [{_SECTIONS[service]}]"


def _dropped(lane: _Lane) -> str:
    return lane.closed or "too many notifications wait for this provider"
