"""One transaction of the writer thread: many operations, one commit, failures kept apart."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from trunkline.store.database import is_unavailable
from trunkline.store.rows import Cells, Statement

ROWS_AT_ONCE = 32  # some 600 values: well below SQLite's bound of 32766 for one statement
# What a row of wrong values raises; anything else would be a bug of this module.
_ROW_ERRORS = (sqlite3.Error, ValueError, TypeError, OverflowError)


@dataclass(slots=True)
class Operation:
    """One statement for some rows: written together or not at all; ``apart``, a wrong one fails without the others.

    ``kept`` operations may never be dropped: they are accepted beyond the writer's bound, and tried again
    while the file cannot be written.
    """

    statement: Statement
    rows: Sequence[Cells]
    kept: bool = False
    apart: bool = False

    def portions(self) -> Iterator[Sequence[Cells]]:
        """The rows, as they fail together."""
        if self.apart:
            yield from ((row,) for row in self.rows)
        elif self.rows:
            yield self.rows


class Unavailable(Exception):  # noqa: N818  (a state, told from the writer's thread to itself)
    """Nothing was written, because the file, disk or machine failed; ``error`` says how."""

    def __init__(self, error: sqlite3.Error) -> None:
        super().__init__(type(error).__name__)
        self.error = error


class Committer:
    """Commits batches on a connection of its own, which belongs to the thread that calls."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._connection: sqlite3.Connection | None = None

    def commit(self, operations: Sequence[Operation]) -> dict[int, Exception]:
        """Write all; returns the failed ones by index, the others are committed. Raises Unavailable."""
        try:
            connection = self._connection = self._connection or self._connect()
            try:
                _together(connection, operations)
            except _ROW_ERRORS as error:
                _roll_back(connection)
                if is_unavailable(error):
                    raise
                if len(operations) == 1 and not operations[0].apart:
                    return {0: error}
                return _one_by_one(connection, operations)
        except sqlite3.Error as error:
            self.close()  # a connection to a file that failed is not worth keeping
            raise Unavailable(error) from error
        except BaseException:
            self.close()  # with its half-done transaction
            raise
        return {}

    def close(self) -> None:
        """Close the connection; the next commit opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _together(connection: sqlite3.Connection, operations: Sequence[Operation]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for statement, rows in grouped(operations):
        _execute(connection, statement, rows)
    connection.execute("COMMIT")


def _execute(connection: sqlite3.Connection, statement: Statement, rows: list[Cells]) -> None:
    """Take several rows by one step of SQLite, because each step lets go of the interpreter and takes it back,
    which costs the event loop more than the row does."""
    whole = len(rows) - len(rows) % ROWS_AT_ONCE if statement.takes_many else 0
    for start in range(0, whole, ROWS_AT_ONCE):
        cells = tuple(chain.from_iterable(rows[start : start + ROWS_AT_ONCE]))
        connection.execute(statement.many(ROWS_AT_ONCE), cells)
    connection.executemany(statement.sql, rows[whole:] if whole else rows)


def _one_by_one(connection: sqlite3.Connection, operations: Sequence[Operation]) -> dict[int, Exception]:
    """The slow way, when some operation of the batch is wrong: each in a savepoint of its own."""
    failed: dict[int, Exception] = {}
    connection.execute("BEGIN IMMEDIATE")
    try:
        for index, operation in enumerate(operations):
            for rows in operation.portions():
                error = _tried(connection, operation.statement, rows)
                if error is not None:
                    failed[index] = error
        connection.execute("COMMIT")
    except sqlite3.Error:
        _roll_back(connection)
        raise
    return failed


def _tried(connection: sqlite3.Connection, statement: Statement, rows: Sequence[Cells]) -> Exception | None:
    """What is wrong with the rows; then none of them is written."""
    refused: Exception | None = None
    connection.execute("SAVEPOINT operation")
    try:
        connection.executemany(statement.sql, rows)
    except _ROW_ERRORS as error:
        if is_unavailable(error):
            raise
        refused = error
        connection.execute("ROLLBACK TO operation")
    connection.execute("RELEASE operation")
    return refused


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def grouped(operations: Sequence[Operation]) -> Iterator[tuple[Statement, list[Cells]]]:
    """Rows that one ``executemany`` may take together.

    Within a table the order of what concerns one key is kept; rows of other keys, and other tables, may go before.
    Calls that begin and end all the time would else be written and deleted one by one.
    """
    runs: dict[str, list[_Run]] = {}
    for operation in operations:
        if operation.rows:
            _join(runs.setdefault(operation.statement.table, []), operation)
    for of_table in runs.values():
        yield from ((run.statement, run.rows) for run in of_table)


class _Run:
    """Rows of one statement; ``keys`` are those of the rows, None where the statement does not go by them."""

    __slots__ = ("keys", "rows", "statement")

    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        self.rows: list[Cells] = []
        self.keys: set[Cells] | None = set() if statement.keyed else None


def _join(runs: list[_Run], operation: Operation) -> None:
    """Into the last run of the same statement, unless something that it must not go before stands between."""
    statement, rows = operation.statement, operation.rows
    keys = {row[:2] for row in rows} if statement.keyed else None
    for run in reversed(runs):
        if run.statement is statement:
            break
        if keys is None or run.keys is None or not keys.isdisjoint(run.keys):
            run = _Run(statement)  # noqa: PLW2901  (the loop ends here)
            runs.append(run)
            break
    else:
        run = _Run(statement)
        runs.append(run)
    run.rows.extend(rows)
    if run.keys is not None and keys is not None:
        run.keys |= keys
