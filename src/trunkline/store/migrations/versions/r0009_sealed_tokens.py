"""Push tokens, and the secrets of Web Push, are sealed like passwords."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from trunkline.store.errors import SchemaError
from trunkline.store.sealed_cells import DEVICE_COLUMNS, has_token, is_sealed, open_cell, seal_cell
from trunkline.store.secret_box import SecretBox

revision = "0009"
down_revision = "0008"

_AT_ONCE = 2000
_Change = Callable[[SecretBox, str, str, str, str], str]
_Row = sa.Row[tuple[str, ...]]

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
    for some in _rows(connection, table):
        changed = [
            _changed(row, columns, change)
            for row in some
            if any(concerns(getattr(row, name)) for name in columns)
        ]
        if changed:
            mine = (table.c.tenant_id == sa.bindparam("_tenant"), table.c.id == sa.bindparam("_id"))
            cells: dict[str, Any] = {name: sa.bindparam(f"_{name}") for name in columns}
            connection.execute(sa.update(table).where(*mine).values(cells), changed)


def _changed(row: _Row, columns: tuple[str, ...], change: _Change) -> dict[str, str]:
    """What is bound to the statement for a row; a cell that is empty stays so."""
    box = _box()
    cells = {f"_{name}": change(box, getattr(row, name), row.tenant_id, row.id, name) for name in columns}
    return {"_tenant": row.tenant_id, "_id": row.id, **cells}


def _rows(connection: sa.Connection, table: sa.TableClause) -> Iterator[Sequence[_Row]]:
    """All rows, some at a time, in the order of their keys."""
    key = sa.tuple_(table.c.tenant_id, table.c.id)
    query = sa.select(table).order_by(table.c.tenant_id, table.c.id).limit(_AT_ONCE)
    some = connection.execute(query).all()
    while some:
        yield some
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
