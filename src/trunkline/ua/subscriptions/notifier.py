"""All subscriptions of an endpoint: who may have one, who hears of a change, how they end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from trunkline.net.flow import Flow
from trunkline.proto.sip.events import Event, accepts, expires_of
from trunkline.proto.sip.transaction.incoming import Incoming
from trunkline.ua.endpoint import Endpoint
from trunkline.ua.subscriptions.package import Package, Watch
from trunkline.ua.subscriptions.subscription import Subscription

Key = TypeVar("Key", str, tuple[str, str])

RETRY_AFTER_S: Final = 60
_SLICE: Final = 200  # subscriptions that are told, or ended, before others get a turn


@dataclass(frozen=True, slots=True)
class NotifierPolicy:
    """Seconds that a subscription may last, seconds between NOTIFYs of one, and how many there may be."""

    min_expires_s: int = 60
    max_expires_s: int = 3600
    default_expires_s: int = 3600
    interval_s: float = 1.0
    per_extension: int = 300
    per_tenant: int = 20_000
    in_all: int = 50_000


class NotifierCounters:
    """Plain counts for metrics."""

    __slots__ = ("notified", "refused", "removed", "subscribed")

    def __init__(self) -> None:
        self.subscribed = 0
        self.refused = 0
        self.notified = 0
        self.removed = 0


class Notifier:
    """``admits(subscription, incoming)`` checks who refreshes, and answers who may not.

    ``on_watched(number of subscriptions)`` hears when there are some and when there are none, so that whoever
    tells of changes need not while nobody listens.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        packages: Iterable[Package],
        policy: NotifierPolicy,
        admits: Callable[[Subscription, Incoming], bool],
    ) -> None:
        self.endpoint = endpoint
        self.packages = {package.event: package for package in packages}
        self.policy = policy
        self.admits = admits
        self.counters = NotifierCounters()
        self.allow_events = f"Allow-Events: {', '.join(sorted(self.packages))}\r\n"
        self.on_watched: Callable[[int], None] = lambda _count: None
        self.closing = False
        self.subscriptions: dict[str, Subscription] = {}
        self._watchers: dict[tuple[str, str, str], dict[Subscription, None]] = {}
        self._of_user: Counter[tuple[str, str]] = Counter()
        self._of_tenant: Counter[str] = Counter()

    @property
    def count(self) -> int:
        return len(self.subscriptions)

    # SUBSCRIBE

    def granted(self, incoming: Incoming) -> int | None:
        """The seconds that a SUBSCRIBE gets, 0 to end; None when it was answered 423 (RFC 6665 §4.2.1.1)."""
        policy = self.policy
        asked = expires_of(incoming.request, policy.default_expires_s)
        if 0 < asked < policy.min_expires_s:
            incoming.respond(423, extra=f"Min-Expires: {policy.min_expires_s}\r\n")
            return None
        return min(asked, policy.max_expires_s)

    def subscribe(
        self,
        incoming: Incoming,
        flow: Flow,
        event: Event,
        watch: Watch,
        package: Package | None = None,
        numbers: tuple[str, ...] = (),
    ) -> Subscription | None:
        """Begin a subscription and tell its first state; None when the request was refused.

        ``package`` and ``numbers`` are given for lists: who writes the document, and of whom it tells.

        Who asks has proven to be ``watch.watcher`` and may watch. Raises RemoteProtocolError for what cannot
        create a dialog.
        """
        package = package or self.packages[event.package]
        content_type = package.content_type.partition(";")[0]
        if not accepts(incoming.request, content_type):
            incoming.respond(406, extra=f"Accept: {content_type}\r\n")
            return None
        seconds = self.granted(incoming)
        if seconds is None or not self._has_room(incoming, watch):
            self.counters.refused += 1
            return None
        subscription = Subscription(self, incoming, flow, package, event, watch, numbers)
        incoming.begin()
        self._remember(subscription)
        subscription.prolong(incoming, seconds)
        return subscription

    def _has_room(self, incoming: Incoming, watch: Watch) -> bool:
        policy = self.policy
        if self._of_user[watch.tenant, watch.watcher] >= policy.per_extension:
            incoming.respond(403, reason="Too Many Subscriptions")
        elif (
            self.closing or self.count >= policy.in_all or self._of_tenant[watch.tenant] >= policy.per_tenant
        ):
            incoming.respond(503, extra=f"Retry-After: {RETRY_AFTER_S}\r\n")
        else:
            return True
        return False

    def _remember(self, subscription: Subscription) -> None:
        watch = subscription.watch
        dialog = subscription.dialog.key
        self.subscriptions[dialog] = self.endpoint.subscriptions[dialog] = subscription
        for number in subscription.numbers:
            key = subscription.package.event, watch.tenant, number
            self._watchers.setdefault(key, {})[subscription] = None
        self._of_user[watch.tenant, watch.watcher] += 1
        self._of_tenant[watch.tenant] += 1
        self.counters.subscribed += 1
        if self.count == 1:
            self.on_watched(1)

    def forget(self, subscription: Subscription) -> None:
        """It is over."""
        watch = subscription.watch
        dialog = subscription.dialog.key
        if self.subscriptions.pop(dialog, None) is None:
            return
        del self.endpoint.subscriptions[dialog]
        for number in subscription.numbers:
            key = subscription.package.event, watch.tenant, number
            watchers = self._watchers[key]
            del watchers[subscription]
            if not watchers:
                del self._watchers[key]
        _less(self._of_user, (watch.tenant, watch.watcher))
        _less(self._of_tenant, watch.tenant)
        self.counters.removed += 1
        if not self.count:
            self.on_watched(0)

    # What is told to subscribers

    def watchers(self, event: str, tenant: str, number: str) -> list[Subscription]:
        """Who watches an extension by a package."""
        return list(self._watchers.get((event, tenant, number), ()))

    def changed(self, event: str, tenant: str, number: str) -> None:
        """The state of an extension may be another one now."""
        self._tell(self.watchers(event, tenant, number))

    def _tell(self, watchers: list[Subscription]) -> None:
        """So many at a time: calls go on meanwhile."""
        for subscription in watchers[:_SLICE]:
            subscription.changed()
        if len(watchers) > _SLICE:
            self.endpoint.loop.call_soon(self._tell, watchers[_SLICE:])

    def gone(self, tenant: str, number: str = "") -> None:
        """An extension was removed, or a whole tenant: nobody watches it, and it watches nobody."""
        for subscription in list(self.subscriptions.values()):
            watch = subscription.watch
            if watch.tenant == tenant and (not number or number in {watch.number, watch.watcher}):
                subscription.close("noresource")
            elif watch.tenant == tenant and number in subscription.numbers:
                subscription.changed()

    async def stop(self) -> None:
        """End all: ``deactivated`` asks subscribers to come again at once (RFC 6665 §4.1.3)."""
        self.closing = True
        for at, subscription in enumerate(list(self.subscriptions.values())):
            subscription.close("deactivated")
            if at % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)


def _less(counter: Counter[Key], key: Key) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
