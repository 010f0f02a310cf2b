"""The journal of calls: what is written is read back, what has ended is not."""

from __future__ import annotations

from collections.abc import Callable

from tests.unit.store.samples import SYSTEM, a_kept_call, a_record
from trunkline.model.kept_call import KeptCall
from trunkline.model.tenant import TenantScope
from trunkline.store import RecordJournal, Store, Writer
from trunkline.store.call_journal import CallJournal


async def kept_after(store: Store, *steps: Callable[[CallJournal], None]) -> tuple[KeptCall, ...]:
    """What node 1 finds after a writer has carried out the steps."""
    async with Writer(store.database) as writer:
        journal = CallJournal(writer)
        for step in steps:
            step(journal)
    return store.kept_calls.load_all(SYSTEM, 1)


async def test_what_is_written_last_is_read_back(store: Store, mine: TenantScope) -> None:
    old, other = a_kept_call(mine.tenant), a_kept_call(mine.tenant)
    new = KeptCall(old.tenant, old.id, 1, '{"version": 1, "who": "\\udcff"}', 1070.0)
    kept = await kept_after(store, lambda j: j.write([old, other]), lambda j: j.write([new]))
    assert sorted(kept, key=lambda one: one.updated_at) == [other, new]


async def test_a_call_that_ended_is_gone_whenever_it_was_written(store: Store, mine: TenantScope) -> None:
    call = a_kept_call(mine.tenant)
    steps = (lambda j: j.write([call]), lambda j: j.gone([(call.tenant, call.id)]), lambda j: j.gone([]))
    assert await kept_after(store, *steps) == ()


async def test_calls_of_other_nodes_are_not_ours(store: Store, mine: TenantScope) -> None:
    call = a_kept_call(mine.tenant, node=2)
    assert await kept_after(store, lambda j: j.write([call])) == ()
    assert store.kept_calls.load_all(SYSTEM, 2) == (call,)


async def test_calls_are_known_to_be_up_later_than_they_changed(store: Store, mine: TenantScope) -> None:
    ours, theirs = a_kept_call(mine.tenant), a_kept_call(mine.tenant, node=2)
    kept = await kept_after(store, lambda j: j.write([ours, theirs]), lambda j: j.alive(1, 1234.5))
    assert [one.updated_at for one in kept] == [1234.5]
    assert store.kept_calls.load_all(SYSTEM, 2)[0].updated_at == theirs.updated_at


async def test_a_call_with_a_record_has_ended(store: Store, mine: TenantScope) -> None:
    ended, up = a_kept_call(mine.tenant), a_kept_call(mine.tenant)
    async with Writer(store.database) as writer:
        CallJournal(writer).write([ended, up])
        RecordJournal(writer).append(a_record(mine.tenant, call=ended.id))
    assert store.kept_calls.load_all(SYSTEM, 1) == (up,)
    assert store.kept_calls.load_recorded(SYSTEM, 1) == (ended,)
    assert store.kept_calls.delete_recorded(SYSTEM, 1) == 1
    assert store.kept_calls.delete_recorded(SYSTEM, 1) == 0
    assert store.kept_calls.load_all(SYSTEM, 1) == (up,)
