"""Migrations build the tables that the program uses."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, inspect
from sqlalchemy.schema import CreateTable

from trunkline.store import Store
from trunkline.store.database import Database
from trunkline.store.schema import HEAD, alembic_config, migrate, revision
from trunkline.store.tables import metadata


@pytest.fixture
def empty(tmp_path: Path) -> Database:
    database = Database(tmp_path / "empty.db")
    database.prepare_file()
    return database


def test_an_empty_file_is_migrated_to_head(empty: Database) -> None:
    with empty.writing() as connection:
        assert revision(connection) is None
        migrate(connection)
    with empty.reading() as connection:
        assert revision(connection) == HEAD
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}
    empty.close()


def test_a_migration_that_fails_leaves_nothing_behind(empty: Database) -> None:
    def migrate_and_fail() -> None:
        with empty.writing() as connection:
            migrate(connection)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        migrate_and_fail()
    with empty.reading() as connection:
        assert inspect(connection).get_table_names() == []
    empty.close()


def test_head_is_the_newest_revision() -> None:
    assert ScriptDirectory.from_config(alembic_config()).get_heads() == [HEAD]


def test_migrations_and_tables_agree(store: Store) -> None:
    with store.database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_the_way_back_empties_the_file(store: Store) -> None:
    with store.database.writing() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]


def test_migrations_are_also_valid_for_postgresql() -> None:
    printed = io.StringIO()
    config = alembic_config()
    config.output_buffer = printed
    config.attributes["dialect"] = "postgresql"
    command.upgrade(config, "head", sql=True)
    created = set(re.findall(r"CREATE TABLE (\w+)", printed.getvalue()))
    assert created == {*metadata.tables, "alembic_version"}
    postgresql = URL.create("postgresql").get_dialect()()
    for table in metadata.sorted_tables:
        assert 'COLLATE "C"' in str(CreateTable(table).compile(dialect=postgresql))


def test_keys_are_tenant_and_id_and_no_key_is_a_number() -> None:
    for table in metadata.sorted_tables:
        keys = [column.name for column in table.primary_key]
        assert keys == (["id"] if table.name == "tenant" else ["tenant_id", "id"])
        assert {column.type.python_type for column in table.primary_key} == {str}
