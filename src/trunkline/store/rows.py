"""Rows and statements of what is written thousands of times a second: bindings, calls and their records.

Plain SQL over tuples rather than the toolkit's expressions: a statement is compiled once by SQLite and fed
by ``executemany``, and a row is one tuple made in C. The statements are derived from the tables, so that they
cannot drift from the schema. Both SQLite and PostgreSQL know ``ON CONFLICT`` and ``excluded``.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeAlias

from sqlalchemy import Row, Table, UniqueConstraint

from trunkline.base.json_text import json_text
from trunkline.model.binding import Binding
from trunkline.model.client_registration import ClientRegistration
from trunkline.model.kept_call import KeptCall
from trunkline.model.record import CallRecord
from trunkline.model.text import Text
from trunkline.store import tables
from trunkline.store.sealed_cells import has_token, is_sealed, open_body, open_cell, seal_body, seal_cell
from trunkline.store.secret_box import SecretBox

Cells: TypeAlias = tuple[Any, ...]

_KEY = ("tenant_id", "id")
_VALUES = " VALUES "
_BY_KEY = ' WHERE "tenant_id" = ? AND "id" = ?'
_BY_KEYS = ' WHERE ("tenant_id", "id") IN (VALUES '
_ATTRIBUTES = {"tenant_id": "tenant", "aor_user": "user"}  # columns that are named otherwise than the field


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL text with ``?`` for each cell of a row. Statements of one ``table`` are executed in order."""

    sql: str
    table: str
    keyed: bool = False
    """Whether a row begins with tenant and id, and what is done to it does not depend on rows with others."""

    @property
    def takes_many(self) -> bool:
        """Whether it can take several rows at once."""
        return _VALUES in self.sql or self.sql.endswith(_BY_KEY)

    def many(self, rows: int) -> str:
        """The text that inserts, or deletes, ``rows`` rows at once."""
        if self.sql.endswith(_BY_KEY):
            return f"{self.sql.removesuffix(_BY_KEY)}{_BY_KEYS}{', '.join(['(?, ?)'] * rows)})"
        head, values, tail = self.sql.partition(_VALUES)
        marks, close, rest = tail.partition(")")
        return head + values + ", ".join([marks + close] * rows) + rest


def _columns(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.columns)


def _fields(table: Table) -> tuple[str, ...]:
    return tuple(_ATTRIBUTES.get(name, name) for name in _columns(table))


def _insert(table: Table) -> str:
    names = ", ".join(f'"{name}"' for name in _columns(table))
    marks = ", ".join("?" * len(table.columns))
    return f'INSERT INTO {table.name} ({names}) VALUES ({marks}) ON CONFLICT ("tenant_id", "id") '  # noqa: S608


def _set_others(table: Table) -> str:
    return ", ".join(f'"{name}" = excluded."{name}"' for name in _columns(table) if name not in _KEY)


def upserting(table: Table) -> Statement:
    """The statement that writes rows of a table, new or known."""
    return Statement(f"{_insert(table)}DO UPDATE SET {_set_others(table)}", table.name, _is_keyed(table))


def adding(table: Table) -> Statement:
    """The statement that writes new rows of a table, and leaves known ones as they are."""
    return Statement(f"{_insert(table)}DO NOTHING", table.name, _is_keyed(table))


def deleting(table: Table) -> Statement:
    """The statement that deletes a row by tenant and id."""
    return Statement(f"DELETE FROM {table.name}{_BY_KEY}", table.name, _is_keyed(table))  # noqa: S608


def _is_keyed(table: Table) -> bool:
    """Whether rows of different keys have nothing to do with each other: no other column is to be unique."""
    return not any(isinstance(one, UniqueConstraint) for one in table.constraints) and not any(
        index.unique for index in table.indexes
    )


def storable(cells: Cells) -> Cells:
    """The cells without bytes that are no UTF-8."""
    return tuple(map(_storable, cells))


UPSERT_BINDING = upserting(tables.binding)
DELETE_BINDING = deleting(tables.binding)
UPSERT_CALL = upserting(tables.call_journal)
DELETE_CALL = deleting(tables.call_journal)
UPSERT_CLIENT_REGISTRATION = upserting(tables.client_registration)
DELETE_CLIENT_REGISTRATION = deleting(tables.client_registration)
TOUCH_CALLS = Statement('UPDATE call_journal SET "updated_at" = ? WHERE "node" = ?', "call_journal")
# Records are final, so the second writing of one is an echo of the first and changes nothing.
APPEND_RECORD = adding(tables.call_record)
INSERT_TEXT = adding(tables.text)
DELETE_TEXT = deleting(tables.text)

_BINDING_FIELDS = _fields(tables.binding)
_CONTACT = _BINDING_FIELDS.index("contact")
_RECORD_FIELDS = _fields(tables.call_record)
_text_cells = attrgetter(*_fields(tables.text))
_binding_cells = attrgetter(*_BINDING_FIELDS)
_record_cells = attrgetter(*_RECORD_FIELDS)
_JSON_CELLS = 2  # quality and story are the last columns of a call record


def binding_row(binding: Binding, box: SecretBox | None = None) -> Cells:
    """The cells for UPSERT_BINDING, as the binding is now; a contact with a push token in it is sealed by ``box``."""
    cells = _binding_row(binding)
    if box is None or not has_token(binding.contact):
        return cells
    sealed = seal_cell(box, cells[_CONTACT], binding.tenant, binding.id, "contact")
    return (*cells[:_CONTACT], sealed, *cells[_CONTACT + 1 :])


def _binding_row(binding: Binding) -> Cells:
    cells: Cells = _binding_cells(binding)
    b = binding
    if f"{b.contact}{b.user}{b.call_id}{b.user_agent}{b.path}{b.instance}{b.flow}{b.received}{b.params}".isascii():
        return cells
    return tuple(map(_storable, cells))


def binding_from(row: Row[Any], box: SecretBox) -> Binding:
    """A binding from a row of ``SELECT`` over all columns of the table in order. Raises KeyFileError."""
    contact = row[_CONTACT]
    if is_sealed(contact):
        opened = open_cell(box, contact, row.tenant_id, row.id, "contact")
        row = (*row[:_CONTACT], opened, *row[_CONTACT + 1 :])  # type: ignore[assignment]  # cells in the same order
    return Binding(**dict(zip(_BINDING_FIELDS, row, strict=True)))


def call_row(call: KeptCall, box: SecretBox) -> Cells:
    """The cells for UPSERT_CALL; a body that tells the passwords of paths is sealed."""
    body = seal_body(box, call.body, call.tenant, call.id)
    return call.tenant, call.id, call.node, body, call.updated_at


def call_from(row: Row[Any], box: SecretBox) -> KeptCall:
    """A call in progress from a row of ``SELECT`` over all columns of the table in order."""
    return KeptCall(
        row.tenant_id, row.id, row.node, open_body(box, row.body, row.tenant_id, row.id), row.updated_at
    )


def text_row(text: Text) -> Cells:
    """The cells for INSERT_TEXT."""
    return tuple(map(_storable, _text_cells(text)))


def record_row(record: CallRecord) -> Cells:
    """The cells for APPEND_RECORD. Values of quality and story that JSON does not know become their text."""
    cells: Cells = _record_cells(record)
    plain, (quality, story) = cells[:-_JSON_CELLS], cells[-_JSON_CELLS:]
    r = record
    if not f"{r.caller}{r.callee}{r.target}{r.reason}{r.sip_call_id}".isascii():
        plain = tuple(map(_storable, plain))
    # Most records carry neither: only the caller's has a story, and a call without media no figures.
    return (*plain, json_text(quality) if quality else "{}", json_text(story) if story else "[]")


def record_from(row: Row[Any]) -> CallRecord:
    """A record from a row of ``SELECT`` over all columns of the table in order."""
    return CallRecord(**dict(zip(_RECORD_FIELDS, row, strict=True)))


def _storable(value: Any) -> Any:
    """Text without bytes that are no UTF-8, which no database takes.

    Peers send such bytes and ``surrogateescape`` carries them through the program; in a URI their right
    form is ``%HH`` (RFC 3986 §2.1), so that is what is kept.
    """
    if not isinstance(value, str) or value.isascii():
        return value
    with suppress(UnicodeEncodeError):
        value.encode()
        return value
    escaped = "".join(f"%{ord(c) - 0xDC00:02X}" if "\udc80" <= c <= "\udcff" else c for c in value)
    return escaped.encode("utf-8", "replace").decode()


def client_registration_row(one: ClientRegistration) -> Cells:
    """The cells of ``UPSERT_CLIENT_REGISTRATION``, in the order of the table's columns."""
    return (
        one.tenant,
        one.id,
        one.owner,
        one.address,
        one.registrar,
        one.call_id,
        one.cseq,
        one.contact,
        one.expires_at,
        one.target,
    )
