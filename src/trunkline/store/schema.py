"""The schema's version: migrated to head on open, refused when it is from the future.

Alembic is imported only when there is something to migrate: it takes longer to import than a command of the
command line takes to run.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from trunkline.store.errors import SchemaError

if TYPE_CHECKING:
    from alembic.config import Config

    from trunkline.store.secret_box import SecretBox

HEAD = "0009"  # the newest revision in migrations/versions; a test compares
_MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(connection: Connection, box: Callable[[], SecretBox] | None = None) -> None:
    """Bring the store to HEAD inside the caller's write transaction; ``box`` gives the key to what is to be sealed.

    Raises SchemaError.
    """
    current = revision(connection)
    if current == HEAD:
        return
    from alembic import command  # noqa: PLC0415  (slow to import, rarely needed)

    refuse_unknown(current)
    config = alembic_config()
    config.attributes["connection"] = connection
    config.attributes["box"] = box
    command.upgrade(config, "head")


def revision(connection: Connection) -> str | None:
    """The store's revision, None for an empty file. Raises SchemaError when the tables are not ours."""
    names = inspect(connection).get_table_names()
    if "alembic_version" not in names:
        if names:
            raise SchemaError(
                f"not a Trunkline store: expected an empty file or our tables, found {names[0]}"
            )
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if row is None else str(row)


def alembic_config() -> Config:
    """Where Alembic finds the migrations: beside this file, in a source tree and in an installed wheel."""
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def refuse_unknown(current: str | None) -> None:
    """Raise SchemaError for a revision that this program does not know: a newer one made it."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    known = {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}
    if current is not None and current not in known:
        raise SchemaError(
            f"the store has schema {current[:32]}, this program knows up to {HEAD}: "
            "a newer Trunkline wrote it; run that one, or restore an older copy of the data folder"
        )
