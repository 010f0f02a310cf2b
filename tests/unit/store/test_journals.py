"""Journals: what is written at once, what is coalesced, what stays gone."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.store.samples import SYSTEM, a_binding, a_record
from trunkline.model.binding import Binding
from trunkline.model.tenant import TenantScope
from trunkline.store import BindingJournal, RecordJournal, Store, Writer
from trunkline.store.commit import Operation
from trunkline.store.errors import WriterFullError
from trunkline.store.journals import SLICE_PAUSE_S, SLICE_ROWS
from trunkline.store.rows import DELETE_BINDING, UPSERT_BINDING
from trunkline.store.tables import binding as binding_table

CSEQ = list(binding_table.columns.keys()).index("cseq")


class NotedWriter(Writer):
    """Notes what is handed in instead of writing it."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.database)
        self.submitted: list[Operation] = []
        self.committed: list[Operation] = []
        self.full = False

    def submit(self, operation: Operation) -> None:
        if self.full and not operation.kept:
            raise WriterFullError("full")
        self.submitted.append(operation)

    def commit(self, operation: Operation) -> asyncio.Future[None]:
        if self.full and not operation.kept:
            raise WriterFullError("full")
        self.committed.append(operation)
        return asyncio.get_running_loop().create_future()

    def cseqs(self) -> list[int]:
        return [row[CSEQ] for operation in self.submitted for row in operation.rows]


@pytest.fixture
def writer(store: Store) -> NotedWriter:
    return NotedWriter(store)


def refreshed(journal: BindingJournal, binding: Binding, cseq: int) -> None:
    binding.cseq = cseq
    journal.refresh(binding)


async def test_refreshes_are_coalesced_and_written_once_an_interval(
    writer: NotedWriter, mine: TenantScope
) -> None:
    journal = BindingJournal(writer, interval_s=3.0)
    binding = a_binding(mine.tenant)
    assert journal.flush_due(100.0) == 103.0
    for cseq in range(10, 20):
        refreshed(journal, binding, cseq)
        assert journal.flush_due(100.0 + (cseq - 10) * 0.2) == 103.0
    assert writer.submitted == []
    assert journal.flush_due(103.0) == 106.0
    assert writer.cseqs() == [19]
    assert journal.flush_due(106.0) == 109.0
    assert writer.cseqs() == [19], "nothing changed since"
    refreshed(journal, binding, 20)
    journal.flush_due(108.9)
    assert writer.cseqs() == [19]
    journal.flush_due(109.0)
    assert writer.cseqs() == [19, 20]


async def test_a_flush_is_cut_into_slices(writer: NotedWriter, mine: TenantScope) -> None:
    journal = BindingJournal(writer, interval_s=3.0)
    for _ in range(2 * SLICE_ROWS + 1):
        journal.refresh(a_binding(mine.tenant))
    now, calls = 10.0, []
    while journal.dirty:
        now = journal.flush_due(now)
        calls.append(now)
    assert [len(operation.rows) for operation in writer.submitted] == [SLICE_ROWS, SLICE_ROWS, 1]
    assert calls == pytest.approx([10.0 + SLICE_PAUSE_S, 10.0 + 2 * SLICE_PAUSE_S, 13.0 + 2 * SLICE_PAUSE_S])


async def test_a_row_is_written_as_it_is_when_flushed_not_as_it_was_noted(
    writer: NotedWriter, mine: TenantScope
) -> None:
    journal = BindingJournal(writer)
    binding = a_binding(mine.tenant)
    refreshed(journal, binding, 1)
    binding.cseq = 2
    journal.flush_due(10.0)
    binding.cseq = 3
    assert writer.cseqs() == [2]


async def test_refreshes_that_find_the_writer_full_are_flushed_later(
    writer: NotedWriter, mine: TenantScope
) -> None:
    journal = BindingJournal(writer)
    refreshed(journal, a_binding(mine.tenant), 5)
    writer.full = True
    again = journal.flush_due(10.0)
    assert again == 10.0 + SLICE_PAUSE_S
    assert journal.dirty == 1
    writer.full = False
    journal.flush_due(again)
    assert writer.cseqs() == [5]


async def test_a_binding_that_is_gone_is_not_flushed(writer: NotedWriter, mine: TenantScope) -> None:
    journal = BindingJournal(writer)
    binding = a_binding(mine.tenant)
    refreshed(journal, binding, 5)
    journal.gone(binding)
    journal.flush_due(10.0)
    assert writer.submitted == []
    assert [operation.statement for operation in writer.committed] == [DELETE_BINDING]


async def test_at_the_bound_a_new_binding_is_refused_but_one_that_goes_is_deleted(
    writer: NotedWriter, mine: TenantScope
) -> None:
    journal = BindingJournal(writer)
    binding = a_binding(mine.tenant)
    writer.full = True
    with pytest.raises(WriterFullError):
        journal.new(binding)
    journal.gone(binding)
    assert [operation.statement for operation in writer.committed] == [DELETE_BINDING]


async def test_everything_dirty_can_be_handed_over_at_once(writer: NotedWriter, mine: TenantScope) -> None:
    journal = BindingJournal(writer)
    for _ in range(SLICE_ROWS + 7):
        journal.refresh(a_binding(mine.tenant))
    writer.full = True
    journal.flush_all()
    assert journal.dirty == 0
    assert [(one.statement, len(one.rows)) for one in writer.submitted] == [(UPSERT_BINDING, SLICE_ROWS + 7)]


async def test_the_life_of_a_binding_reaches_the_store(store: Store, mine: TenantScope) -> None:
    async with Writer(store.database) as writer:
        journal = BindingJournal(writer)
        staying, leaving = a_binding(mine.tenant, "staying"), a_binding(mine.tenant, "leaving")
        await asyncio.gather(journal.new(staying), journal.new(leaving))
        assert len(store.bindings.load_all(SYSTEM)) == 2
        refreshed(journal, staying, 50)
        refreshed(journal, leaving, 51)
        journal.flush_due(10.0)
        await journal.gone(leaving)
        await writer.drain()
    (left,) = store.bindings.load_all(SYSTEM)
    assert (left.user, left.cseq) == ("staying", 50)


@pytest.mark.parametrize("company", [0, 1])
async def test_a_record_that_cannot_be_written_takes_no_other_of_its_call_with_it(
    store: Store, mine: TenantScope, company: int
) -> None:
    first, last = a_record(mine.tenant), a_record(mine.tenant)
    others = [a_record(mine.tenant) for _ in range(company)]
    async with Writer(store.database) as writer:
        journal = RecordJournal(writer)
        journal.append(first, a_record(mine.tenant, status=2**70), last)
        for other in others:
            journal.append(other)
    assert {one.id for one in store.records.list(SYSTEM)} == {one.id for one in (first, last, *others)}


async def test_records_are_written_and_written_twice_stored_once(store: Store, mine: TenantScope) -> None:
    async with Writer(store.database) as writer:
        journal = RecordJournal(writer)
        record = a_record(mine.tenant)
        journal.append(record)
        journal.append(record)
        await writer.drain()
        journal.append(record)
    assert store.records.list(SYSTEM) == (record,)
