"""Waking phones for requests within their calls: one push, however many requests wait (RFC 8599 §6.2.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from trunkline.base.wheel import Timer, TimerWheel
from trunkline.model.binding import Binding
from trunkline.net.flow import Flow
from trunkline.registrar.ports import WakeReason
from trunkline.registrar.push_desk import PushDesk, Watch
from trunkline.registrar.push_record import PushRecord
from trunkline.registrar.targets import target_of

if TYPE_CHECKING:
    from trunkline.registrar.quiet_pushes import QuietPushes

WAIT_S: Final = 24.0
"""How long a phone may take to come: less than the 32 seconds that its peer waits for an answer."""

Came = Callable[[Flow | None], None]


class DialogWakes:
    """``ua.sleeping_peers.Waker``, by the desk."""

    def __init__(
        self, desk: PushDesk, quiet: QuietPushes, wheel: TimerWheel, now: Callable[[], float]
    ) -> None:
        self._desk = desk
        self._quiet = quiet
        self._wheel = wheel
        self._now = now
        self._waits: dict[str, _Wait] = {}

    def __len__(self) -> int:
        return len(self._waits)

    def way(self, purr: str) -> Flow | None:
        """Where a phone can be reached now: the connection of a binding of its own that stands."""
        record, desk = self._desk.named(purr), self._desk
        if record is None:
            return None
        for binding in desk.location.of(record.tenant, record.user, desk.wall()):
            if desk.is_of(binding, record) and desk.is_awake(binding):
                return self.flow_of(binding)
        return None

    def can_wake(self, purr: str) -> bool:
        """Whether it sleeps, and takes pushes that do not ring."""
        record, desk = self._desk.named(purr), self._desk
        if record is None or record.address("quiet") is None:
            return False
        live = desk.location.of(record.tenant, record.user, desk.wall())
        return record in desk.asleep(record.tenant, record.user, live)

    def wake(self, purr: str, came: Came) -> None:
        """Push it, unless it was pushed for another request already, and wait."""
        wait = self._waits.get(purr)
        if wait is None:
            record = self._desk.named(purr)
            if record is None:
                came(None)
                return
            wait = self._waits[purr] = _Wait(came)
            self._begin(purr, record, wait)
        else:
            wait.came.append(came)

    def _begin(self, purr: str, record: PushRecord, wait: _Wait) -> None:
        wait.watch = self._desk.watch(record, lambda binding: self._end(purr, self.flow_of(binding)))
        wait.timer = self._wheel.call_at(self._now() + WAIT_S, lambda _now: self._end(purr, None))
        # One that was pushed a moment ago, and has not come since, is waited for without another push.
        self._quiet.wake_phone(record, WakeReason.REFRESH, lambda: self._end(purr, None))

    def _end(self, purr: str, flow: Flow | None) -> None:
        wait = self._waits.pop(purr, None)
        if wait is None:
            return
        if wait.watch is not None:
            self._desk.unwatch(wait.watch)
        if wait.timer is not None:
            self._wheel.cancel(wait.timer)
        for came in wait.came:
            came(flow)

    def flow_of(self, binding: Binding) -> Flow | None:
        """The way to a binding."""
        return target_of(binding, self._desk.flow_from_token, self._desk.registrar).flow


class _Wait:
    """Who waits for one phone."""

    __slots__ = ("came", "timer", "watch")

    def __init__(self, came: Came) -> None:
        self.came = [came]
        self.watch: Watch | None = None
        self.timer: Timer | None = None
