"""The SQLite file: how connections are opened, and how transactions begin and fail.

Several processes share the file: the exchange, and the command line beside it. Three things keep "database
is locked" away from people: write-ahead logging (readers never wait), ``BEGIN IMMEDIATE`` for everything
that will write (a transaction that starts by reading and then writes fails at once, whatever the timeout:
https://www.sqlite.org/rescode.html#busy_snapshot), and a generous busy timeout.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError

from trunkline.store.errors import SchemaError, StoreUnavailableError
from trunkline.store.secret_box import SecretBox

BUSY_TIMEOUT_S = 15.0
CACHE_KIB = 512  # of the writer's pages; SQLite's two megabytes fill up in seconds and save it nothing
_WRITES = "trunkline_writes"

# https://www.sqlite.org/rescode.html: the state of the file, disk or machine, not of the statement.
_UNAVAILABLE = {
    sqlite3.SQLITE_PERM: "no permission",
    sqlite3.SQLITE_BUSY: f"locked by another program for more than {BUSY_TIMEOUT_S:.0f} s",
    sqlite3.SQLITE_LOCKED: "locked",
    sqlite3.SQLITE_NOMEM: "out of memory",
    sqlite3.SQLITE_READONLY: "not writable",
    sqlite3.SQLITE_INTERRUPT: "interrupted",
    sqlite3.SQLITE_IOERR: "read or write error",
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
    sqlite3.SQLITE_PROTOCOL: "locking failed",
}


class Database:
    """One SQLite file. Threads may share it: each transaction has a connection of its own.

    ``box`` seals what rows hold of secrets; whoever opens the store puts it in.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.box: SecretBox | None = None
        # hide_parameters: an error's text must not hold the values of its statement.
        self.engine: Engine = create_engine(f"sqlite:///{path}", hide_parameters=True)
        event.listen(self.engine, "connect", _on_connect)
        event.listen(self.engine, "begin", _on_begin)
        self._writing_engine = self.engine.execution_options(
            **{_WRITES: True}
        )  # the same pool of connections

    @property
    def secrets(self) -> SecretBox:
        """``box``, which must be there."""
        if self.box is None:
            raise StoreUnavailableError(f"{self.path} was not opened with its key")
        return self.box

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A consistent view of the store. Raises StoreUnavailableError."""
        with self._translated(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A write transaction: committed at the end, rolled back by an exception. Keep it short."""
        with self._translated(), self._writing_engine.begin() as connection:
            yield connection

    def connect(self) -> sqlite3.Connection:
        """A plain connection for the calling thread, without the toolkit around it. Raises sqlite3.Error."""
        connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        _set_pragmas(connection)
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        return connection

    def prepare_file(self) -> None:
        """Create the file for its owner alone, in write-ahead mode (which the file remembers)."""
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            connection = self.connect()
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            finally:
                connection.close()
        except (OSError, sqlite3.Error) as error:
            raise self.translate(error) from error

    def translate(self, error: OSError | sqlite3.Error) -> SchemaError | StoreUnavailableError:
        """What a failed open, read or write means to people."""
        if _code(error) == sqlite3.SQLITE_NOTADB:
            return SchemaError(f"{self.path} is not a Trunkline store: expected an SQLite database")
        why = _UNAVAILABLE.get(_code(error)) or str(error)
        return StoreUnavailableError(f"{self.path} cannot be used: {why}")

    def close(self) -> None:
        """Close pooled connections; the last one of all processes folds the write-ahead log into the file."""
        self.engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DatabaseError as error:
            if isinstance(error.orig, sqlite3.Error) and is_unavailable(error.orig):
                raise self.translate(error.orig) from error
            raise


def is_unavailable(error: BaseException) -> bool:
    """Whether the file, disk or machine failed, rather than the statement."""
    return _code(error) in _UNAVAILABLE or _code(error) == sqlite3.SQLITE_NOTADB


def _code(error: BaseException) -> int:
    """The primary result code: the low byte of the extended one."""
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def _set_pragmas(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000:.0f}")
    # A killed process loses nothing; a power cut may lose the last commits, never the file's integrity.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _on_connect(connection: sqlite3.Connection, record: object) -> None:  # noqa: ARG001
    connection.isolation_level = None  # the driver begins no transaction behind our back
    _set_pragmas(connection)


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
