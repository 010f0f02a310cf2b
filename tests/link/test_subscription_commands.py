"""What operators see of subscriptions, and how they tell of waiting messages."""

from __future__ import annotations

from typing import Any

import pytest

from tests.link.virtual_time import virtual
from tests.link.watching import EventStage, Watcher
from trunkline.app.subscription_handlers import SubscriptionHandlers
from trunkline.base.messages import (
    ListMailboxes,
    ListSubscriptions,
    MailboxList,
    MailboxRow,
    MailboxState,
    Refused,
    SetMessagesWaiting,
    SubscriptionList,
)


def handlers(stage: EventStage) -> SubscriptionHandlers:
    return SubscriptionHandlers(stage.events, stage.directory, stage.loop.time, stage.wall)


async def listed(stage: EventStage, tenant: str = "t1", **rest: object) -> SubscriptionList:
    page = await handlers(stage).table[ListSubscriptions](tenant, ListSubscriptions(**rest))  # type: ignore[arg-type]
    assert isinstance(page, SubscriptionList)
    return page


async def put(stage: EventStage, number: str, **counts: Any) -> MailboxState:
    ask = SetMessagesWaiting(number=number, **counts)
    state = await handlers(stage).table[SetMessagesWaiting]("t1", ask)
    assert isinstance(state, MailboxState)
    return state


@virtual
async def test_who_watches_whom_is_listed_page_by_page() -> None:
    stage = EventStage()
    alice, bob = stage.watcher("1002"), stage.watcher("1001")
    own = Watcher(stage, bob.party, "1002", "reg")
    for each in (alice, bob, own):
        await each.subscribe(600)
        await each.hears(1)
    rows = (await listed(stage)).rows
    assert [(row.watcher, row.number, row.event) for row in rows] == [
        ("1001", "1002", "dialog"),
        ("1002", "1001", "dialog"),
        ("1002", "1002", "reg"),
    ]
    assert (rows[0].transport, rows[0].notified) == ("udp", 1)
    assert rows[0].contact.startswith("sip:")
    assert 599 < rows[0].expires_s <= 600
    assert stage.wall() - 2 < rows[0].since <= stage.wall()
    assert [row.watcher for row in (await listed(stage, number="1001")).rows] == ["1001", "1002"]
    first = await listed(stage, limit=2)
    assert first.next is not None
    second = await listed(stage, limit=2, after=first.next)
    assert (*first.rows, *second.rows) == rows
    assert second.next is None
    assert not (await listed(stage, "t2")).rows
    await stage.settle()


@pytest.mark.rule("T-38")
@virtual
async def test_counts_that_are_set_are_told_and_listed() -> None:
    stage = EventStage()
    watcher = stage.watcher("1001", "message-summary")
    stage.extension("1002")
    await watcher.subscribe()
    await watcher.hears(1)
    state = await put(stage, "1001", new=3, old=5, new_urgent=1)
    assert state == MailboxState(row=MailboxRow("1001", 3, 5, 1, 0), watchers=1)
    assert b"Voice-Message: 3/5 (1/0)" in (await watcher.hears(2)).body
    assert (await put(stage, "1002", new=1)).watchers == 0
    first = await handlers(stage).table[ListMailboxes]("t1", ListMailboxes(limit=1))
    assert isinstance(first, MailboxList)
    assert (first.rows, first.next) == ((MailboxRow("1001", 3, 5, 1, 0),), "1001")
    await put(stage, "1001", new=0)
    left = await handlers(stage).table[ListMailboxes]("t1", ListMailboxes())
    assert isinstance(left, MailboxList)
    assert left.rows == (MailboxRow("1002", 1, 0),)
    await stage.settle()


@pytest.mark.parametrize(
    ("number", "counts", "code"),
    [
        ("4711", {"new": 1}, "extension.unknown"),
        ("1001", {"new": -1}, "mwi.invalid_count"),
        ("1001", {"new": 2**32}, "mwi.invalid_count"),
        ("1001", {"new": 1, "new_urgent": 2}, "mwi.invalid_count"),
        ("1001", {"new": 1, "old_urgent": 1}, "mwi.invalid_count"),
    ],
)
@virtual
async def test_counts_that_cannot_be(number: str, counts: dict[str, int], code: str) -> None:
    stage = EventStage()
    stage.extension("1001")
    with pytest.raises(Refused) as refused:
        await put(stage, number, **counts)
    assert refused.value.problem.code == code
    await stage.settle(1)
