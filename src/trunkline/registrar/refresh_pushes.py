"""Refresh pushes (RFC 8599 §5.5): a phone that cannot wake itself is woken before its binding expires.

They are background pushes. Phones are let sleep when they have had their share of a day: Apple delivers few of them,
and a phone whose binding has expired is woken by its next call all the same.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final, TypeAlias

from trunkline.base.errors import RemoteProtocolError
from trunkline.base.wheel import Timer, TimerWheel
from trunkline.model.binding import Binding
from trunkline.registrar.ports import Wake, WakeReason
from trunkline.registrar.push_desk import PushDesk
from trunkline.registrar.push_parameters import has_push, has_push_key, push_key
from trunkline.registrar.push_record import PushRecord
from trunkline.registrar.push_services import wakes_itself

DAY_S: Final = 86_400.0
_OTHERS: Final = 10  # times as many for services that do not count
_SPREAD: Final = 0.25
_TRIES: Final = 3

Key: TypeAlias = tuple[str, str, tuple[str, str, str]]


class _Due:
    """One phone: its timer, and how many pushes it has had since the wall-clock second ``since``."""

    __slots__ = ("had", "since", "timer", "tries")

    def __init__(self) -> None:
        self.timer: Timer | None = None
        self.tries = 0
        self.had = 0
        self.since = 0.0


class RefreshPushes:
    """``registered`` and ``gone`` are for the desk's hooks; ``now`` is the wheel's clock."""

    def __init__(
        self,
        desk: PushDesk,
        wheel: TimerWheel,
        now: Callable[[], float],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._desk = desk
        self._wheel = wheel
        self._now = now
        self._spawn = spawn
        self._due: dict[Key, _Due] = {}
        self.sent = 0

    @property
    def watched(self) -> int:
        """How many phones it keeps in mind."""
        return len(self._due)

    def restore(self, bindings: Iterable[Binding]) -> None:
        """Arm what was kept over a restart."""
        for binding in bindings:
            record = self._record_of(binding) if has_push(binding.contact) else None
            if record is not None:
                self.registered(record, binding)

    def _record_of(self, binding: Binding) -> PushRecord | None:
        try:
            key = push_key(binding.contact)
        except RemoteProtocolError:
            return None
        known = self._desk.records.of(binding.tenant, binding.user)
        return next((one for one in known if one.key == key), None)

    def registered(self, record: PushRecord, binding: Binding) -> None:
        """A phone has registered: its next push, if it needs any, is a good while off."""
        key = record.tenant, record.user, record.key
        due = self._due.get(key)
        if due is not None:
            self._disarm(due)
        if not self._desk.policy.refresh or wakes_itself(binding.params) or record.address("quiet") is None:
            return
        if due is None:
            due = self._due[key] = _Due()
        due.tries = 0
        self._arm(key, due, binding, record)

    def gone(self, record: PushRecord) -> None:
        """A phone that is woken no more."""
        due = self._due.pop((record.tenant, record.user, record.key), None)
        if due is not None:
            self._disarm(due)

    def stop(self) -> None:
        """No more of them."""
        for due in self._due.values():
            self._disarm(due)
        self._due.clear()

    def _disarm(self, due: _Due) -> None:
        if due.timer is not None:
            self._wheel.cancel(due.timer)
            due.timer = None

    def _arm(self, key: Key, due: _Due, binding: Binding, record: PushRecord) -> None:
        """Before the end of the binding: once, and at a half and a quarter of that time once more."""
        left = binding.expires_at - self._desk.wall()
        before = min(self._desk.policy.refresh_before_s, left / 2) if not due.tries else left / 2
        # Phones that registered together, after an outage, are not woken together.
        part = zlib.crc32(record.prid.encode("utf-8", "surrogateescape")) % 1000 / 1000
        before *= 1 + (_SPREAD * part if not due.tries else 0.0)
        due.timer = self._wheel.call_at(
            self._now() + left - before, lambda _now: self._fire(key, due, record)
        )

    def _fire(self, key: Key, due: _Due, record: PushRecord) -> None:
        due.timer = None
        desk, now = self._desk, self._desk.wall()
        live = desk.location.of(*key[:2], now)
        binding = next((one for one in live if has_push_key(one.contact, record.key)), None)
        if binding is None:
            del self._due[key]
            return
        if not desk.is_awake(binding) and self._may(due, record, now):
            self.sent += 1
            self._spawn(self._send(record))
        due.tries += 1
        if due.tries < _TRIES:
            self._arm(key, due, binding, record)
        else:  # whoever stays away is kept until its share of a day does not count any more
            left = max(binding.expires_at, due.since + DAY_S) - now
            due.timer = self._wheel.call_at(self._now() + left, lambda _now: self._let_go(key, due))

    def _let_go(self, key: Key, due: _Due) -> None:
        due.timer = None
        if self._due.get(key) is due:
            del self._due[key]

    def _may(self, due: _Due, record: PushRecord, now: float) -> bool:
        if now - due.since >= DAY_S:
            due.since, due.had = now, 0
        times = 1 if record.provider.startswith("apns") else _OTHERS
        if due.had >= self._desk.policy.refreshes_a_day * times:
            return False
        due.had += 1
        return True

    async def _send(self, record: PushRecord) -> None:
        await self._desk.wake(record, Wake(WakeReason.REFRESH))
