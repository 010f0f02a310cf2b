"""Pushes that wake a phone for something that is no call, a text or a waiting message: few of them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from trunkline.registrar.ports import Wake, WakeReason
from trunkline.registrar.push_desk import PushDesk
from trunkline.registrar.push_record import PushRecord

MOST_REMEMBERED: Final = 100_000


class QuietPushes:
    """``spawn`` runs what takes time."""

    def __init__(self, desk: PushDesk, spawn: Callable[[Coroutine[Any, Any, None]], object]) -> None:
        self._desk = desk
        self._spawn = spawn
        self._last: dict[tuple[str, str, tuple[str, str, str], WakeReason], float] = {}
        self.sent = 0

    def wake(self, tenant: str, user: str, reason: WakeReason) -> int:
        """Wake the phones of an extension that sleep; returns how many pushes go out.

        A phone that had one for the same reason lately, and has not come since, is left alone.
        """
        desk = self._desk
        if not desk.records.of(tenant, user):
            return 0
        live = desk.location.of(tenant, user, desk.wall())
        phones = list(desk.asleep(tenant, user, live))
        if reason is WakeReason.MESSAGE:
            # A text waits because nobody took it, be it by a connection that seems to stand.
            phones += [record for record, _ in desk.drowsy(tenant, user, live)]
        return sum(self.wake_phone(record, reason) for record in phones)

    def wake_phone(
        self, record: PushRecord, reason: WakeReason, on_failed: Callable[[], None] = lambda: None
    ) -> bool:
        """Wake one phone, unless it was woken lately or takes no such pushes; whether a push goes out.

        ``on_failed`` is called when its service does not take it.
        """
        if record.address("quiet") is None:
            return False
        now, key = self._desk.wall(), (record.tenant, record.user, record.key, reason)
        last = self._last.pop(key, None)
        # A clock that was set back has its phones woken once more, instead of never until it is there again.
        lately = last is not None and abs(now - last) < self._desk.policy.quiet_every_s
        if last is not None and lately and record.registered_at < last:
            self._last[key] = last
            return False
        if len(self._last) >= MOST_REMEMBERED:
            del self._last[next(iter(self._last))]
        self._last[key] = now
        self.sent += 1
        self._spawn(self._send(record, Wake(reason), on_failed))
        return True

    async def _send(self, record: PushRecord, wake: Wake, on_failed: Callable[[], None]) -> None:
        if not (await self._desk.wake(record, wake)).sent:
            on_failed()
