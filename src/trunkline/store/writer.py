"""The writer: one thread that commits what the event loop hands it, many operations at a time.

    loop:    submit, commit ──> queue ──> thread: BEGIN, executemany…, COMMIT ──> loop: futures resolved

A registration waits for its row to be durable without blocking the loop, and a burst of them shares one
transaction. Methods are called on the loop that started the writer; the thread touches only the queue and
its own connection.

What happens when things go wrong:

- A wrong operation fails alone; its future gets the error, or a line of the log when nobody waits.
- At the bound, ``submit`` and ``commit`` raise WriterFullError; ``kept`` operations (call records) are taken
  all the same, and ``on_pressure(True)`` tells the owner to take fewer calls until ``on_pressure(False)``.
- While the file cannot be written, awaited operations fail with StoreUnavailableError and all others stay
  queued, to be tried again in order.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self, TypeAlias

import structlog

from trunkline.store.commit import Committer, Operation, Unavailable
from trunkline.store.database import Database
from trunkline.store.errors import (
    InvalidValueError,
    StoreError,
    StoreUnavailableError,
    WriterFullError,
    WriterStoppedError,
)
from trunkline.store.inbox import Entry, Inbox
from trunkline.store.rows import Statement
from trunkline.store.secret_box import SecretBox

LIMIT_ROWS = 50_000
LINGER_S = 0.005  # a new binding waits that long for company; alone it would pay for a whole transaction
BATCH_ROWS = 4_000  # rows in one transaction: other processes wait some tens of milliseconds at most
RETRY_S = 1.0
GIVE_UP_S = 10.0  # how long ``stop`` waits for a file that cannot be written

_log = structlog.get_logger("store")
_BARRIER = Operation(Statement("", ""), (), kept=True)

Outcome: TypeAlias = "tuple[asyncio.Future[None], StoreError | None]"


class Writer:
    """Owns the writer thread. ``start`` and ``stop`` it, or use it with ``async with``."""

    def __init__(
        self,
        database: Database,
        *,
        on_pressure: Callable[[bool], None] | None = None,
        limit_rows: int = LIMIT_ROWS,
        linger_s: float = LINGER_S,
        retry_s: float = RETRY_S,
    ) -> None:
        self._database = database
        self._on_pressure = on_pressure
        self._limit_rows = limit_rows
        self._retry_s = retry_s
        self._inbox = Inbox(limit_rows, linger_s)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="trunkline-writer", daemon=True)
        self._ended: asyncio.Future[int] | None = None
        self._stopping = False

    def start(self) -> None:
        """Start the thread; futures are resolved on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        self._thread.start()

    @property
    def secrets(self) -> SecretBox:
        """Seals what is written, where rows hold secrets."""
        return self._database.secrets

    @property
    def queued(self) -> int:
        """Rows handed in and not yet written: a metric."""
        return self._inbox.queued

    @property
    def pressed(self) -> bool:
        """True from the moment the bound was reached until half of the queue is written."""
        return self._inbox.pressed

    def submit(self, operation: Operation) -> None:
        """Write some time soon. Raises WriterFullError, unless the operation is kept; WriterStoppedError."""
        self._put((operation, None))

    def commit(self, operation: Operation) -> asyncio.Future[None]:
        """Write; the future is done when the rows are committed.

        Raises WriterFullError and WriterStoppedError at once. The future fails with InvalidValueError when
        the store refuses a row, StoreUnavailableError when the file cannot be written; nothing of the
        operation is written then, but a kept one is tried again.
        """
        loop = self._loop
        if loop is None:
            raise WriterStoppedError("the writer was not started")
        future = loop.create_future()
        self._put((operation, future), hurry=operation is _BARRIER)
        return future

    async def drain(self) -> None:
        """Return when everything handed in before is written (or was refused to its future)."""
        await self.commit(_BARRIER)

    async def stop(self) -> None:
        """Take nothing more, write everything, end the thread. Raises StoreUnavailableError for losses."""
        if self._ended is None:
            return
        self._stopping = True
        self._inbox.close(GIVE_UP_S)
        lost = await asyncio.shield(self._ended)
        self._thread.join()
        if lost:
            raise StoreUnavailableError(
                f"{self._database.path}: {lost} rows could not be written and are lost"
            )

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _put(self, entry: Entry, *, hurry: bool = False) -> None:
        if self._loop is None or self._stopping:
            raise WriterStoppedError("the writer does not run: nothing can be written")
        accepted, newly_pressed = self._inbox.put(entry, hurry=hurry)
        if newly_pressed and self._on_pressure is not None:
            self._on_pressure(True)
        if not accepted:
            raise WriterFullError(f"{self._limit_rows} rows wait to be written: try again later")

    def _resolve(self, outcomes: list[Outcome], eased: bool) -> None:
        """On the loop, once for each batch."""
        for future, error in outcomes:
            if future.done():  # nobody waits any more
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)
        if eased and self._on_pressure is not None:
            self._on_pressure(False)

    # What follows runs on the thread.

    def _run(self) -> None:
        committer = Committer(self._database.connect)
        pending: list[Entry] = []
        while True:
            pending += self._inbox.take(wait=not pending)
            if not pending:
                break
            pending = self._write(committer, pending)
            if pending and not self._inbox.pause(self._retry_s):
                break
        committer.close()
        self._end(pending)

    def _write(self, committer: Committer, entries: list[Entry]) -> list[Entry]:
        """Write batch by batch; returns what must be tried again."""
        done = 0
        for batch in _batches(entries):
            try:
                failed: dict[int, Exception] = committer.commit([operation for operation, _ in batch])
            except Unavailable as unavailable:
                return self._set_aside(entries[done:], unavailable.error)
            except Exception as error:  # noqa: BLE001  (a dead thread would leave every registration waiting)
                failed = dict.fromkeys(range(len(batch)), error)
            self._settle(batch, failed)
            done += len(batch)
        return []

    def _settle(self, batch: list[Entry], failed: dict[int, Exception]) -> None:
        outcomes: list[Outcome] = []
        for index, (operation, future) in enumerate(batch):
            error = failed.get(index)
            if error is not None and future is None:
                _log.error("store.row_refused", table=operation.statement.table, error=_text(error))
            if future is not None:
                outcomes.append((future, _refusal(operation, error) if error is not None else None))
        self._tell(outcomes, self._inbox.written(_rows(batch)))

    def _set_aside(self, entries: list[Entry], error: sqlite3.Error) -> list[Entry]:
        """Refuse those who wait, keep the rest for another attempt."""
        why = str(self._database.translate(error))
        _log.error("store.unavailable", error=why, waiting=_rows(entries))
        again: list[Entry] = []
        refused: list[Outcome] = []
        dropped = 0
        for operation, future in entries:
            if operation is _BARRIER or future is None:
                again.append((operation, future))
                continue
            refused.append((future, StoreUnavailableError(why)))
            if operation.kept:
                again.append((operation, None))
            else:
                dropped += len(operation.rows)
        self._tell(refused, self._inbox.written(dropped))
        return again

    def _end(self, lost: list[Entry]) -> None:
        error = "the writer was stopped while the store could not be written"
        left = lost + self._inbox.take(wait=False)
        self._tell(
            [(future, StoreUnavailableError(error)) for _, future in left if future is not None], False
        )
        self._call_on_loop(self._finish, _rows(left))

    def _finish(self, lost: int) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(lost)

    def _tell(self, outcomes: list[Outcome], eased: bool) -> None:
        if outcomes or eased:
            self._call_on_loop(self._resolve, outcomes, eased)

    def _call_on_loop(self, function: Callable[..., None], *arguments: object) -> None:
        if self._loop is None:
            return
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # the loop was closed without stopping us: nobody is left to be told
            _log.warning("store.loop_closed")


def _batches(entries: list[Entry]) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    rows = 0
    for entry in entries:
        batch.append(entry)
        rows += len(entry[0].rows)
        if rows >= BATCH_ROWS:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch


def _rows(entries: list[Entry]) -> int:
    return sum(len(operation.rows) for operation, _ in entries)


def _refusal(operation: Operation, error: Exception) -> StoreError:
    refusal = InvalidValueError(f"a row of {operation.statement.table} was refused: {_text(error)}")
    refusal.__cause__ = error
    return refusal


def _text(error: Exception) -> str:
    """What may be told: SQLite's messages name columns and constraints, others might hold a row's values."""
    return str(error) if isinstance(error, sqlite3.Error) else type(error).__name__
