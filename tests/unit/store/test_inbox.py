"""The queue before the writer's thread: what it takes, and what it tells."""

from __future__ import annotations

from trunkline.store.commit import Operation
from trunkline.store.inbox import Inbox
from trunkline.store.rows import Statement

_STATEMENT = Statement("", "some")


def put(inbox: Inbox, times: int, *, kept: bool = False) -> list[tuple[bool, bool]]:
    return [inbox.put((Operation(_STATEMENT, (("a",),), kept), None), hurry=True) for _ in range(times)]


def test_at_the_bound_only_what_may_not_be_lost_is_taken_and_the_pressure_is_told_once() -> None:
    inbox = Inbox(3, 60.0)
    assert put(inbox, 5) == [(True, False)] * 3 + [(False, True), (False, False)]
    assert put(inbox, 2, kept=True) == [(True, False)] * 2
    assert inbox.queued == len(inbox.take(wait=True)) == 5
    assert not inbox.written(3), "half of the bound is not yet free"
    assert inbox.written(1)
    assert put(inbox, 4, kept=True)[1:] == [(True, False), (True, True), (True, False)]
