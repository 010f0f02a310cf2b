"""Who watches whom, and messages that wait, in the running exchange."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from trunkline.base.message_codec import Message
from trunkline.base.messages import (
    ListMailboxes,
    ListSubscriptions,
    MailboxList,
    MailboxRow,
    MailboxState,
    Refused,
    Request,
    SetMessagesWaiting,
    SubscriptionList,
    SubscriptionRow,
)
from trunkline.pbx.directory import Directory
from trunkline.pbx.events.message_summary import MAX_COUNT, Waiting
from trunkline.pbx.events.plane import Events
from trunkline.ua.subscriptions import Subscription


class SubscriptionHandlers:
    """``table`` is for ``ExchangeHandlers``; ``clock`` gives the loop's seconds, ``wall`` what people read."""

    def __init__(
        self, events: Events, directory: Directory, clock: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        self._events = events
        self._directory = directory
        self._clock = clock
        self._wall = wall
        self.table: dict[type[Request[Any]], Callable[[str, Any], Awaitable[Message]]] = {
            ListSubscriptions: self._page,
            ListMailboxes: self._mailboxes,
            SetMessagesWaiting: self._set,
        }

    async def _page(self, tenant: str, ask: ListSubscriptions) -> Message:
        found = sorted(
            (
                one
                for one in self._events.notifier.subscriptions.values()
                if one.watch.tenant == tenant and ask.number in {None, one.watch.watcher, one.watch.number}
            ),
            key=lambda one: (one.watch.watcher, one.watch.number, one.package.event, one.since),
        )
        start = int(ask.after) if ask.after is not None and ask.after.isdigit() else 0
        more = str(start + ask.limit) if len(found) > start + ask.limit else None
        return SubscriptionList(rows=tuple(map(self._row, found[start : start + ask.limit])), next=more)

    def _row(self, one: Subscription) -> SubscriptionRow:
        now = self._clock()
        return SubscriptionRow(
            one.watch.watcher,
            one.watch.number,
            one.package.event,
            one.dialog.target,
            one.flow.transport.lower(),
            self._wall() - (now - one.since),
            max(0.0, one.expires_at - now),
            one.version + 1,
        )

    async def _mailboxes(self, tenant: str, ask: ListMailboxes) -> Message:
        rows = sorted(
            (
                MailboxRow(number, *counts)
                for number, counts in self._events.mailboxes.of(tenant)
                if ask.after is None or number > ask.after
            ),
            key=lambda row: row.number,
        )
        more = rows[ask.limit - 1].number if len(rows) > ask.limit else None
        return MailboxList(rows=tuple(rows[: ask.limit]), next=more)

    async def _set(self, tenant: str, ask: SetMessagesWaiting) -> Message:
        counts = Waiting(ask.new, ask.old, ask.new_urgent, ask.old_urgent)
        if not all(0 <= count <= MAX_COUNT for count in counts):
            raise Refused("mwi.invalid_count", f"counts are 0 to {MAX_COUNT}")
        if counts.new_urgent > counts.new or counts.old_urgent > counts.old:
            raise Refused(
                "mwi.invalid_count",
                "more messages are urgent than there are",
                "urgent ones are counted among the new and the old ones",
            )
        if not self._directory.knows(tenant, ask.number):
            raise Refused(
                "extension.unknown",
                f"there is no extension {ask.number[:80]}",
                "trunkline extension list shows them",
                404,
            )
        self._events.mailboxes.put(tenant, ask.number, counts)
        watchers = len(self._events.notifier.watchers("message-summary", tenant, ask.number))
        return MailboxState(row=MailboxRow(ask.number, *counts), watchers=watchers)
