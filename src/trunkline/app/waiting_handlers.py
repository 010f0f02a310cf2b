"""Texts that wait: listed and dropped, in the running exchange."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from operator import attrgetter
from typing import Any

from trunkline.base.message_codec import Message
from trunkline.base.messages import (
    DropTexts,
    ListWaiting,
    Refused,
    Request,
    TextsDropped,
    WaitingList,
    WaitingRow,
)
from trunkline.message.queue import TextQueue


class WaitingHandlers:
    """``table`` is for ``ExchangeHandlers``."""

    def __init__(self, queue: TextQueue) -> None:
        self._queue = queue
        self.table: dict[type[Request[Any]], Callable[[str, Any], Awaitable[Message]]] = {
            ListWaiting: self._page,
            DropTexts: self._drop,
        }

    async def _page(self, tenant: str, ask: ListWaiting) -> Message:
        waiting = sorted(
            (
                WaitingRow(lane.receiver, lane.count, lane.oldest_at, lane.attempts, lane.why)
                for lane in self._queue.lanes(tenant)
                if ask.after is None or lane.receiver > ask.after
            ),
            key=attrgetter("number"),
        )
        more = waiting[ask.limit - 1].number if len(waiting) > ask.limit else None
        return WaitingList(rows=tuple(waiting[: ask.limit]), next=more)

    async def _drop(self, tenant: str, ask: DropTexts) -> Message:
        count = self._queue.drop(tenant, ask.number)
        if not count:
            raise Refused(
                "text.none_waiting",
                f"no text waits for {ask.number[:80]}",
                "trunkline texts list shows for whom some do",
                404,
            )
        return TextsDropped(number=ask.number, count=count)
