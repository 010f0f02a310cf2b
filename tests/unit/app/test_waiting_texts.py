"""`trunkline texts`: for whom texts wait, and their end by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from trunkline.app.waiting_handlers import WaitingHandlers
from trunkline.base.messages import DropTexts, ListWaiting, Refused, TextsDropped, WaitingList, WaitingRow
from trunkline.message.queue import LaneState


class Queue:
    """As much of the queue as operators see."""

    def __init__(self) -> None:
        self._counts = {"303": 1, "301": 2, "302": 5}

    def lanes(self, tenant: str) -> Iterator[LaneState]:
        for number, count in self._counts.items():
            yield LaneState(tenant, number, count, 1000.0, 3, "480 Temporarily Unavailable")

    def drop(self, _tenant: str, receiver: str) -> int:
        return self._counts.pop(receiver, 0)


@pytest.fixture
def handlers() -> WaitingHandlers:
    return WaitingHandlers(Queue())  # type: ignore[arg-type]  # a stand-in


async def test_readers_are_listed_by_number_page_by_page(handlers: WaitingHandlers) -> None:
    page = await handlers.table[ListWaiting]("t", ListWaiting(limit=2))
    assert isinstance(page, WaitingList)
    assert page.rows[0] == WaitingRow("301", 2, 1000.0, 3, "480 Temporarily Unavailable")
    rest = await handlers.table[ListWaiting]("t", ListWaiting(limit=2, after=page.next))
    assert isinstance(rest, WaitingList)
    assert [row.number for row in (*page.rows, *rest.rows)] == ["301", "302", "303"]
    assert rest.next is None


async def test_what_waits_is_dropped_once(handlers: WaitingHandlers) -> None:
    done = await handlers.table[DropTexts]("t", DropTexts(number="302"))
    assert done == TextsDropped(number="302", count=5)
    with pytest.raises(Refused) as refused:
        await handlers.table[DropTexts]("t", DropTexts(number="302"))
    assert refused.value.problem.code == "text.none_waiting"
