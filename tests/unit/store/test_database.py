"""Transactions on a file that several programs share."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import insert, select

from tests.unit.store.samples import SYSTEM
from trunkline.store import Store
from trunkline.store.database import Database
from trunkline.store.errors import StoreUnavailableError
from trunkline.store.tables import tenant


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a lock."""
    monkeypatch.setattr("trunkline.store.database.BUSY_TIMEOUT_S", 0.0)


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_connections_are_safe_and_patient(store: Store) -> None:
    pooled = store.database.engine.raw_connection()
    plain = store.database.connect()
    for connection in (pooled.driver_connection, plain):
        assert connection is not None
        assert pragma(connection, "journal_mode") == "wal"
        assert pragma(connection, "synchronous") == 1
        assert pragma(connection, "foreign_keys") == 1
        assert pragma(connection, "busy_timeout") == 15_000
    plain.close()
    pooled.close()


@pytest.mark.usefixtures("impatient")
def test_a_write_transaction_takes_its_lock_before_it_reads(store: Store) -> None:
    other = store.database.connect()
    with store.database.writing():
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        assert other.execute("SELECT name FROM tenant").fetchall() == [("default",)], "readers never wait"
    other.execute("BEGIN IMMEDIATE")
    other.close()


@pytest.mark.usefixtures("impatient")
def test_a_lock_that_lasts_is_told_in_words(store: Store) -> None:
    database = Database(store.database.path)
    told = pytest.raises(StoreUnavailableError, match="locked by another program")
    with store.database.writing(), told, database.writing():
        pass
    database.close()


def test_an_exception_undoes_the_transaction(store: Store) -> None:
    def write_and_fail() -> None:
        with store.database.writing() as connection:
            connection.execute(insert(tenant).values(id="t", name="undone"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert store.tenants.get(SYSTEM, "undone") is None


def test_a_reader_sees_one_state_of_the_store(store: Store) -> None:
    with store.database.reading() as connection:
        before = connection.execute(select(tenant)).all()
        store.tenants.add(SYSTEM, "added meanwhile")
        assert connection.execute(select(tenant)).all() == before
