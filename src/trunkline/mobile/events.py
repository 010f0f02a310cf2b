"""What happens to an owner's calls and devices: told to those who listen, kept a while for those who come back.

Each owner has a short memory; whoever connects names the last number that it saw and is told what came after.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

from trunkline.base.app_event import AppEvent
from trunkline.base.messages import Refused

REPLAYED: Final = 256
REPLAYED_S: Final = 600.0
MOST_OWNERS: Final = 10_000
MOST_WAITING: Final = 512
MOST_OF_AN_OWNER: Final = 32
STATUS: Final = "device.status"
TOO_SLOW: Final = "too slow: events were lost; come back and name the last number"


class Subscription:
    """One listener. Iterate it; ``close`` ends it, and so does slowness, with the reason in ``why``.

    ``missed`` tells that events between the number that was named and the first one told are forgotten.
    """

    def __init__(self, owner: _Owner, device_id: str, end: Callable[[Subscription], None]) -> None:
        self.owner = owner
        self.device_id = device_id
        self.missed = False
        self.why = ""
        self._end = end
        self._events: deque[AppEvent] = deque()
        self._news = asyncio.Event()
        self._closed = False

    def __aiter__(self) -> AsyncIterator[AppEvent]:
        return self

    async def __anext__(self) -> AppEvent:
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._events.popleft()

    def take(self, event: AppEvent) -> None:
        """One more; who does not fetch them is cut off."""
        if self._closed:
            return
        if len(self._events) >= MOST_WAITING:
            self._events.clear()
            self.close(TOO_SLOW)
            return
        self._events.append(event)
        self._news.set()

    def close(self, why: str = "") -> None:
        """No more events; harmless twice. Those that wait are still told."""
        if not self._closed:
            self._closed = True
            self.why = why
            self._end(self)
            self._news.set()


class _Owner:
    __slots__ = ("key", "last", "listeners", "told")

    def __init__(self, key: tuple[str, str], last: int) -> None:
        self.key = key
        self.last = last
        self.told: deque[AppEvent] = deque(maxlen=REPLAYED)
        self.listeners: list[Subscription] = []


class AppEvents:
    """All owners. ``wall`` gives wall-clock seconds; ``owns(tenant, owner, device_id)`` says whose a device is.

    Numbers begin with the time, so that they go on counting up after a restart.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self.owns: Callable[[str, str, str], bool] = lambda _tenant, _owner, _device_id: True
        self._wall = wall
        self._owners: OrderedDict[tuple[str, str], _Owner] = OrderedDict()
        self._live: Counter[str] = Counter()

    def tell(
        self,
        tenant: str,
        owner: str,
        name: str,
        call_token: str = "",
        device_id: str = "",
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Tell an event of ``base.app_event`` to all listeners of the owner, now or when they come back.

        How a registration does is not kept for who never listened: most never do, and all registrations may change
        at once. ``GetDevice`` tells it.
        """
        if name == STATUS and (tenant, owner) not in self._owners:
            return
        one = self._owner(tenant, owner)
        now = self._wall()
        one.last += 1
        event = AppEvent(
            tenant=tenant,
            at=now,
            owner=owner,
            number=one.last,
            name=name,
            call_token=call_token,
            device_id=device_id,
            data=dict(data or {}),
        )
        _forget_old(one, now)
        one.told.append(event)
        for listener in tuple(one.listeners):
            listener.take(event)

    def subscribe(
        self, tenant: str, owner: str, device_id: str = "", after: int | None = None
    ) -> Subscription:
        """Listen; ``after`` is the last number that was seen (None: from now on), ``device_id`` the app that listens.

        Refused: ``device.unknown`` 404 for a device of somebody else, ``events.limit`` 429.
        """
        if device_id and not self.owns(tenant, owner, device_id):
            raise Refused("device.unknown", "there is no such device", "register the device first", 404)
        one = self._owner(tenant, owner)
        if len(one.listeners) >= MOST_OF_AN_OWNER:
            detail = f"{MOST_OF_AN_OWNER} listeners are connected already"
            raise Refused("events.limit", detail, "close one of them", 429)
        made = Subscription(one, device_id, self._ended)
        if after is not None:
            _forget_old(one, self._wall())
            made.missed = after < one.last and (not one.told or one.told[0].number > after + 1)
            for event in one.told:
                if event.number > after:
                    made.take(event)
        one.listeners.append(made)
        if device_id:
            self._live[device_id] += 1
        return made

    def is_live(self, device_id: str) -> bool:
        """Whether the device listens now."""
        return device_id in self._live

    def forget_tenant(self, tenant: str) -> None:
        """A tenant is gone with its owners; who listens is cut off."""
        for key in [key for key in self._owners if key[0] == tenant]:
            for listener in tuple(self._owners.pop(key).listeners):
                listener.close("the tenant was removed")

    def close(self) -> None:
        """Cut everybody off: we stop."""
        for one in self._owners.values():
            for listener in tuple(one.listeners):
                listener.close("the gateway stops")

    def _owner(self, tenant: str, owner: str) -> _Owner:
        key = tenant, owner
        known = self._owners.get(key)
        if known is None:
            known = self._owners[key] = _Owner(key, int(self._wall() * 1000))
            self._make_room()
        self._owners.move_to_end(key)
        return known

    def _make_room(self) -> None:
        """Forget who was not heard of for longest, unless somebody listens."""
        if len(self._owners) <= MOST_OWNERS:
            return
        for key, one in self._owners.items():
            if not one.listeners and key != next(reversed(self._owners)):
                del self._owners[key]
                return

    def _ended(self, subscription: Subscription) -> None:
        one = subscription.owner
        if subscription in one.listeners:
            one.listeners.remove(subscription)
            device = subscription.device_id
            if device:
                self._live[device] -= 1
                if not self._live[device]:
                    del self._live[device]


def _forget_old(one: _Owner, now: float) -> None:
    while one.told and one.told[0].at < now - REPLAYED_S:
        one.told.popleft()
