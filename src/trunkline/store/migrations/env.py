"""Runs migrations on the connection handed in, or prints their SQL when there is none (``--sql``).

Alembic executes this file; nothing imports it.
"""

from __future__ import annotations

from alembic import context

from trunkline.store.tables import metadata


def migrate_online() -> None:
    """Migrate inside the caller's transaction: all of it is done, or nothing."""
    # SQLite's DDL is transactional, once the driver no longer commits behind our back (see database.py).
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        transactional_ddl=True,
        render_as_batch=True,  # SQLite alters a table by building a new one
    )
    context.run_migrations()


def print_sql() -> None:
    """Print the SQL for the dialect named in the configuration's attributes."""
    context.configure(
        dialect_name=context.config.attributes["dialect"],
        target_metadata=metadata,
        literal_binds=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    print_sql()
else:
    migrate_online()
