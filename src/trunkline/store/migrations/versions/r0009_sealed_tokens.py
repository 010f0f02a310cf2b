"""Push tokens, and the secrets of Web Push, are sealed like passwords."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import sqlalchemy as sa
from alembic import op

from trunkline.store.errors import SchemaError
from trunkline.store.sealed_cells import DEVICE_COLUMNS, has_token, is_sealed, open_cell, seal_cell
from trunkline.store.secret_box import SecretBox

revision = "0009"
down_revision = "0008"

_AT_ONCE = 2000
_Change = Callable[[SecretBox, str, str, str, str], str]

_device = sa.table(
    "mobile_device", sa.column("tenant_id"), sa.column("id"), *(sa.column(name) for name in DEVICE_COLUMNS)
)
_binding = sa.table("binding", sa.column("tenant_id"), sa.column("id"), sa.column("contact"))


def upgrade() -> None:
    """Seal what is there."""
    _rewrite(_device, DEVICE_COLUMNS, seal_cell, bool)
    _rewrite(_binding, ("contact",), seal_cell, has_token)


def downgrade() -> None:
    """Open it again."""
    _rewrite(_device, DEVICE_COLUMNS, open_cell, bool)
    _rewrite(_binding, ("contact",), open_cell, is_sealed)


def _rewrite(
    table: sa.TableClause, columns: tuple[str, ...], change: _Change, concerns: Callable[[str], bool]
) -> None:
    if op.get_context().as_sql:
        return  # a key is needed, and there are no rows
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete = ON")  # what was plain is not left in free pages
    for row in _rows(connection, table):
        changed = {
            name: change(_box(), value, row.tenant_id, row.id, name)
            for name in columns
            if concerns(value := getattr(row, name))
        }
        if changed:
            mine = (table.c.tenant_id == row.tenant_id, table.c.id == row.id)
            connection.execute(sa.update(table).where(*mine).values(changed))


def _rows(connection: sa.Connection, table: sa.TableClause) -> Iterator[sa.Row[tuple[str, ...]]]:
    """All rows, some at a time, in the order of their keys."""
    key = sa.tuple_(table.c.tenant_id, table.c.id)
    query = sa.select(table).order_by(table.c.tenant_id, table.c.id).limit(_AT_ONCE)
    some = connection.execute(query).all()
    while some:
        yield from some
        last = sa.tuple_(sa.literal(some[-1].tenant_id), sa.literal(some[-1].id))
        some = connection.execute(query.where(key > last)).all()


def _box() -> SecretBox:
    config = op.get_context().config
    box = config.attributes.get("box") if config is not None else None
    if box is None:
        raise SchemaError("push tokens are to be sealed, and there is no key: open the store with its key")
    made = box()
    assert isinstance(made, SecretBox)  # noqa: S101  (the store handed it in)
    return made
