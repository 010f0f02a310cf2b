"""One transaction of the writer: grouping, order, and failures that stay alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from tests.unit.store.samples import SYSTEM, a_binding, a_record
from trunkline.model.binding import Binding
from trunkline.model.tenant import TenantScope
from trunkline.store import Store
from trunkline.store.commit import ROWS_AT_ONCE, Committer, Operation, Unavailable, grouped
from trunkline.store.mobile_rows import UPSERT_MOBILE_ACCOUNT, UPSERT_MOBILE_CALL
from trunkline.store.rows import (
    APPEND_RECORD,
    DELETE_BINDING,
    UPSERT_BINDING,
    Statement,
    binding_row,
    record_row,
)


@pytest.fixture
def committer(store: Store) -> Iterator[Committer]:
    made = Committer(store.database.connect)
    yield made
    made.close()


def upsert(*bindings: Binding) -> Operation:
    return Operation(UPSERT_BINDING, [binding_row(one) for one in bindings])


def delete(binding: Binding) -> Operation:
    return Operation(DELETE_BINDING, [(binding.tenant, binding.id)])


def users(store: Store) -> list[str]:
    return sorted(one.user for one in store.bindings.load_all(SYSTEM))


FIRST, SECOND, OTHER = Statement("first", "a"), Statement("second", "a"), Statement("other", "b")


def test_rows_are_grouped_by_statement_without_breaking_the_order_of_a_table() -> None:
    operations = [
        Operation(FIRST, [(1,), (2,)]),
        Operation(OTHER, [(3,)]),
        Operation(FIRST, [(4,)]),
        Operation(SECOND, [(5,)]),
        Operation(OTHER, [(6,)]),
        Operation(FIRST, [(7,)]),
        Operation(SECOND, []),
    ]
    assert list(grouped(operations)) == [
        (FIRST, [(1,), (2,), (4,)]),
        (SECOND, [(5,)]),
        (FIRST, [(7,)]),
        (OTHER, [(3,), (6,)]),
    ]


def test_what_concerns_other_keys_breaks_no_run() -> None:
    put, drop = Statement("put", "a", keyed=True), Statement("drop", "a", keyed=True)
    of = [("t", "1"), ("t", "2"), ("t", "3")]
    operations = [
        Operation(put, [(*of[0], "x")]),
        Operation(drop, [of[0]]),
        Operation(put, [(*of[1], "x")]),
        Operation(drop, [of[1]]),
        Operation(put, [(*of[0], "y")]),
        Operation(put, [(*of[2], "x")]),
        Operation(drop, [of[2]]),
    ]
    assert list(grouped(operations)) == [
        (put, [(*of[0], "x"), (*of[1], "x")]),
        (drop, [of[0], of[1]]),
        (put, [(*of[0], "y"), (*of[2], "x")]),
        (drop, [of[2]]),
    ]


def test_what_a_statement_without_keys_may_touch_stays_before_or_behind_it() -> None:
    put, touch = Statement("put", "a", keyed=True), Statement("touch", "a")
    operations = [Operation(put, [("t", "1")]), Operation(touch, [(1,)]), Operation(put, [("t", "2")])]
    assert [statement for statement, _ in grouped(operations)] == [put, touch, put]


def test_a_table_with_something_else_that_is_unique_keeps_its_order() -> None:
    """An account that takes the place of another one is written after that one was deleted."""
    assert not UPSERT_MOBILE_ACCOUNT.keyed
    assert UPSERT_MOBILE_CALL.keyed


def test_many_rows_are_deleted_at_once(store: Store, mine: TenantScope, committer: Committer) -> None:
    bindings = [a_binding(mine.tenant, f"u{index}") for index in range(3 * ROWS_AT_ONCE + 1)]
    assert committer.commit([upsert(*bindings)]) == {}
    assert committer.commit([delete(one) for one in bindings[1:]]) == {}
    assert users(store) == ["u0"]


def test_the_last_word_on_a_binding_counts(store: Store, mine: TenantScope, committer: Committer) -> None:
    kept, gone = a_binding(mine.tenant, "kept"), a_binding(mine.tenant, "gone")
    record = Operation(APPEND_RECORD, [record_row(a_record(mine.tenant))])
    operations = [upsert(kept, gone), record, delete(kept), delete(gone), upsert(kept), record]
    assert committer.commit(operations) == {}
    assert users(store) == ["kept"]
    assert len(store.records.list(SYSTEM)) == 1


def test_a_wrong_operation_fails_alone_and_whole(
    store: Store, mine: TenantScope, committer: Committer
) -> None:
    wrong: list[Operation] = [
        upsert(a_binding(mine.tenant, "half"), a_binding("no such tenant", "half")),
        upsert(a_binding(mine.tenant, "huge", cseq=2**70)),
        upsert(a_binding(mine.tenant, "typed", received=object())),
        Operation(UPSERT_BINDING, [("too", "short")]),
        Operation(Statement("NONSENSE", "binding"), [()]),
    ]
    right = [upsert(a_binding(mine.tenant, f"right{number}")) for number in range(len(wrong) + 1)]
    mixed = [operation for pair in zip(right, wrong, strict=False) for operation in pair] + right[-1:]
    failed = committer.commit(mixed)
    assert [mixed[index] for index in failed] == wrong
    assert users(store) == [f"right{number}" for number in range(len(right))]


@pytest.mark.parametrize("count", [1, 2])
def test_a_committer_goes_on_after_failures(
    store: Store, mine: TenantScope, committer: Committer, count: int
) -> None:
    assert len(committer.commit([upsert(a_binding("no such tenant"))] * count)) == count
    assert committer.commit([upsert(a_binding(mine.tenant, "next"))]) == {}
    assert users(store) == ["next"]


def test_a_file_that_cannot_be_opened_is_unavailable_and_tried_again(store: Store, mine: TenantScope) -> None:
    failures = [sqlite3.SQLITE_CANTOPEN]

    def connect() -> sqlite3.Connection:
        if failures:
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = failures.pop()
            raise error
        return store.database.connect()

    committer = Committer(connect)
    with pytest.raises(Unavailable):
        committer.commit([upsert(a_binding(mine.tenant, "once"))])
    assert committer.commit([upsert(a_binding(mine.tenant, "again"))]) == {}
    assert users(store) == ["again"]
    committer.close()


@pytest.mark.parametrize("count", [1, 2])
def test_a_full_disk_spoils_no_operation_but_the_attempt(store: Store, mine: TenantScope, count: int) -> None:
    def connect() -> sqlite3.Connection:
        connection = store.database.connect()
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    committer = Committer(connect)
    with pytest.raises(Unavailable, match="OperationalError") as caught:
        committer.commit([upsert(*(a_binding(mine.tenant) for _ in range(200)))] * count)
    assert caught.value.error.sqlite_errorcode == sqlite3.SQLITE_FULL
    assert users(store) == []
    committer.close()
