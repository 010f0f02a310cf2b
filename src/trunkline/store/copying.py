"""A consistent copy of a store's file while others write to it, and what can be told of such a copy.

Nothing here opens the store as the exchange does: no migration, no key, no other process kept away.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trunkline.store.database import Database
from trunkline.store.errors import SchemaError
from trunkline.store.sealed_cells import is_sealed

_STEPS = 20_000  # of SQLite's virtual machine between two looks at the progress
_TRANSIENT = ("call_journal", "mobile_call")  # calls in progress end long before a copy is used
# Tables with a sealed secret, its column, and what it is bound to.
_SEALED = (
    ("extension", "secret", "id"),
    ("mobile_account", "secret", "id"),
    ("mobile_device", "push_token", "id || '/push_token'"),
)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A stored password or token as it is sealed, with what it is bound to; ``key_id`` names the key."""

    secret: str
    tenant: str
    owner: str

    @property
    def key_id(self) -> str:
        return self.secret.split(".")[1] if self.secret.count(".") == 2 else ""


def copy_database(source: Path, target: Path, progress: Callable[[int], None] = lambda _size: None) -> None:
    """Write the store as it is at one moment into a new file (mode 0600); readers and writers go on.

    VACUUM INTO is one read transaction (https://www.sqlite.org/lang_vacuum.html): with a write-ahead log it
    makes nobody wait, and however many rows are written meanwhile it never starts again. Nothing that was
    deleted is left in the copy. ``progress`` hears the copy's size so far, in bytes. Raises
    StoreUnavailableError, SchemaError.
    """
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))

    def look() -> int:
        progress(target.stat().st_size)
        return 0

    with _opened(source) as connection:
        _require_store(connection, source)
        connection.set_progress_handler(look, _STEPS)
        connection.execute("VACUUM INTO ?", (str(target),))
    with _opened(target) as copy:
        copy.execute("PRAGMA secure_delete = ON")
        for table in _TRANSIENT:
            if _has(copy, table):
                copy.execute(f"DELETE FROM {table}")  # noqa: S608


def schema_of(path: Path) -> str:
    """The revision of a store's schema. Raises SchemaError when the file is no store."""
    with _opened(path) as connection:
        _require_store(connection, path)
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else ""


def sealed_secret(path: Path) -> Sealed | None:
    """One sealed password of a store, None when it holds none. Raises SchemaError."""
    with _opened(path) as connection:
        _require_store(connection, path)
        for table, column, owner in _SEALED:
            if _has(connection, table):
                query = f"SELECT {column}, tenant_id, {owner} FROM {table} WHERE {column} > '' LIMIT 1"  # noqa: S608
                row = connection.execute(query).fetchone()
                if row is not None and is_sealed(row[0]):
                    return Sealed(*map(str, row))
    return None


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    database = Database(path)
    try:
        connection = database.connect()
        try:
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise database.translate(error) from error
    finally:
        database.close()


def _require_store(connection: sqlite3.Connection, path: Path) -> None:
    if not (_has(connection, "alembic_version") and _has(connection, "extension")):
        raise SchemaError(f"{path} is not a Trunkline store: our tables are not in it")


def _has(connection: sqlite3.Connection, table: str) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return connection.execute(query, (table,)).fetchone() is not None
