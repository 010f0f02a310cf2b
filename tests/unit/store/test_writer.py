"""The writer thread: futures, bounds, pressure, and a file that cannot be written."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.unit.store.samples import SYSTEM, a_binding, a_record
from trunkline.model.tenant import TenantScope
from trunkline.store import Store, Writer
from trunkline.store.commit import Operation
from trunkline.store.database import Database
from trunkline.store.errors import (
    InvalidValueError,
    StoreUnavailableError,
    WriterFullError,
    WriterStoppedError,
)
from trunkline.store.rows import APPEND_RECORD, UPSERT_BINDING, binding_row, record_row


def upsert(tenant: str, *users: str) -> Operation:
    return Operation(UPSERT_BINDING, [binding_row(a_binding(tenant, user)) for user in users])


def record(tenant: str) -> Operation:
    return Operation(APPEND_RECORD, [record_row(a_record(tenant))], kept=True)


def users(store: Store) -> set[str]:
    return {one.user for one in store.bindings.load_all(SYSTEM)}


@contextmanager
def locked(store: Store) -> Iterator[None]:
    """Another program holds the write lock: nothing can be written meanwhile."""
    connection = store.database.connect()
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


class FailingDatabase(Database):
    """A database whose disk fails as long as the test says so."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.broken = True
        self.attempted = threading.Event()

    def connect(self) -> sqlite3.Connection:
        if self.broken:
            self.attempted.set()
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error
        return super().connect()


async def test_an_awaited_write_is_committed_when_its_future_is_done(store: Store, mine: TenantScope) -> None:
    async with Writer(store.database) as writer:
        await writer.commit(upsert(mine.tenant, "1001"))
        assert users(store) == {"1001"}


async def test_draining_waits_for_what_nobody_awaited(store: Store, mine: TenantScope) -> None:
    async with Writer(store.database, linger_s=60) as writer:
        for number in range(50):
            writer.submit(upsert(mine.tenant, str(number)))
        await writer.drain()
        assert len(users(store)) == 50
        assert writer.queued == 0


async def test_stopping_writes_everything_and_ends_the_thread(store: Store, mine: TenantScope) -> None:
    writer = Writer(store.database, linger_s=60)
    writer.start()
    future = writer.commit(upsert(mine.tenant, "awaited"))
    for number in range(5000):
        writer.submit(upsert(mine.tenant, str(number)))
    await writer.stop()
    assert future.done()
    assert len(users(store)) == 5001
    assert "trunkline-writer" not in {thread.name for thread in threading.enumerate()}
    await writer.stop()


async def test_a_writer_that_does_not_run_takes_nothing(store: Store, mine: TenantScope) -> None:
    writer = Writer(store.database)
    with pytest.raises(WriterStoppedError):
        writer.commit(upsert(mine.tenant, "early"))
    await writer.stop()
    writer.start()
    await writer.stop()
    for hand_in in (writer.submit, writer.commit):
        with pytest.raises(WriterStoppedError):
            hand_in(upsert(mine.tenant, "late"))
    assert users(store) == set()


async def test_writes_are_executed_in_the_order_they_were_handed_in(store: Store, mine: TenantScope) -> None:
    binding = a_binding(mine.tenant)
    async with Writer(store.database) as writer:
        for cseq in range(500):
            binding.cseq = cseq
            writer.submit(Operation(UPSERT_BINDING, [binding_row(binding)]))
        await writer.drain()
    (stored,) = store.bindings.load_all(SYSTEM)
    assert stored.cseq == 499


async def test_a_refused_row_fails_its_own_future_only(store: Store, mine: TenantScope) -> None:
    async with Writer(store.database) as writer:
        good = [writer.commit(upsert(mine.tenant, str(number))) for number in range(3)]
        bad = writer.commit(upsert("no such tenant", "secret-user"))
        good += [writer.commit(upsert(mine.tenant, str(number))) for number in range(3, 6)]
        with pytest.raises(InvalidValueError, match="row of binding was refused: FOREIGN KEY") as caught:
            await bad
        await asyncio.gather(*good)
    assert "secret-user" not in str(caught.value)
    assert users(store) == {str(number) for number in range(6)}


async def test_a_refused_row_that_nobody_awaits_is_logged_without_its_values(store: Store) -> None:
    with capture_logs() as logs:
        async with Writer(store.database) as writer:
            writer.submit(upsert("no such tenant", "secret-user"))
            await writer.drain()
    assert [(line["event"], line["table"]) for line in logs] == [("store.row_refused", "binding")]
    assert "secret-user" not in repr(logs)


async def test_a_future_that_was_cancelled_disturbs_nobody(store: Store, mine: TenantScope) -> None:
    async with Writer(store.database) as writer:
        first = writer.commit(upsert(mine.tenant, "1001"))
        second = writer.commit(upsert(mine.tenant, "1002"))
        first.cancel()
        await second
    assert users(store) == {"1001", "1002"}


async def test_one_batch_costs_the_loop_one_call(
    store: Store, mine: TenantScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    calls: list[object] = []
    original = loop.call_soon_threadsafe

    def counted(callback: Callable[..., object], *arguments: object) -> asyncio.Handle:
        calls.append(callback)
        return original(callback, *arguments)

    async with Writer(store.database, linger_s=60) as writer:
        monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
        futures = [writer.commit(upsert(mine.tenant, str(number))) for number in range(100)]
        await writer.drain()
        assert all(future.done() for future in futures)
        assert len(calls) == 1


async def test_at_the_bound_writes_are_refused_but_records_are_taken(store: Store, mine: TenantScope) -> None:
    pressure: list[bool] = []
    async with Writer(store.database, limit_rows=10, on_pressure=pressure.append) as writer:
        with locked(store):
            first = writer.commit(upsert(mine.tenant, *map(str, range(10))))
            assert pressure == []
            for hand_in in (writer.submit, writer.commit):
                with pytest.raises(WriterFullError, match="10 rows wait"):
                    hand_in(upsert(mine.tenant, "refused"))
            for _ in range(20):
                writer.submit(record(mine.tenant))
            assert writer.queued == 30
            assert pressure == [True]
            assert writer.pressed
        await first
        await writer.drain()
        assert pressure == [True, False]
        await writer.commit(upsert(mine.tenant, "welcome again"))
    assert users(store) == {*map(str, range(10)), "welcome again"}
    assert len(store.records.list(SYSTEM)) == 20


async def test_while_the_file_cannot_be_written_only_those_who_wait_are_refused(
    store: Store, mine: TenantScope
) -> None:
    database = FailingDatabase(store.database.path)
    with capture_logs() as logs:
        async with Writer(database, retry_s=0.001) as writer:
            writer.submit(upsert(mine.tenant, "refreshed"))
            writer.submit(record(mine.tenant))
            new = writer.commit(upsert(mine.tenant, "new"))
            kept = writer.commit(Operation(UPSERT_BINDING, upsert(mine.tenant, "kept").rows, kept=True))
            for future in (new, kept):
                with pytest.raises(StoreUnavailableError, match="read or write error"):
                    await future
            assert users(store) == set()
            drained = asyncio.ensure_future(writer.drain())
            database.broken = False
            await drained
            assert writer.queued == 0
    assert users(store) == {"refreshed", "kept"}
    assert len(store.records.list(SYSTEM)) == 1
    assert {line["event"] for line in logs} == {"store.unavailable"}
    database.close()


async def test_stopping_while_the_file_cannot_be_written_tells_what_is_lost(
    store: Store, mine: TenantScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trunkline.store.writer.GIVE_UP_S", 0.0)
    database = FailingDatabase(store.database.path)
    writer = Writer(database, retry_s=0.001)
    with capture_logs():
        writer.start()
        writer.submit(record(mine.tenant))
        writer.submit(upsert(mine.tenant, "1", "2"))
        with pytest.raises(StoreUnavailableError, match="3 rows could not be written"):
            await writer.stop()
    database.close()


async def test_a_bug_in_a_batch_leaves_the_thread_alive(
    store: Store, mine: TenantScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: object) -> None:
        raise ZeroDivisionError

    async with Writer(store.database) as writer:
        with monkeypatch.context() as patched:
            patched.setattr("trunkline.store.commit.grouped", explode)
            with pytest.raises(InvalidValueError, match="ZeroDivisionError"):
                await writer.commit(upsert(mine.tenant, "unlucky"))
        await writer.commit(upsert(mine.tenant, "lucky"))
    assert users(store) == {"lucky"}


async def test_another_program_writes_between_batches(store: Store, mine: TenantScope) -> None:
    async with Writer(store.database) as writer:
        for number in range(200):
            writer.submit(upsert(mine.tenant, str(number)))
        other = Database(store.database.path)
        with other.writing() as connection:
            connection.exec_driver_sql("UPDATE tenant SET name = 'renamed'")
        other.close()
        await writer.drain()
    assert len(users(store)) == 200
    assert store.tenants.get(mine, "renamed") is not None
