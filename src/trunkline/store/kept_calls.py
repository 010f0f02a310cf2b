"""Calls in progress at rest: read once at start-up; written by the journal while the exchange runs."""

from __future__ import annotations

from sqlalchemy import ColumnElement, delete, exists, select

from trunkline.model.kept_call import KeptCall
from trunkline.model.tenant import Scope
from trunkline.store.repository import Repository
from trunkline.store.rows import call_from
from trunkline.store.scope import within
from trunkline.store.tables import call_journal, call_record


class KeptCalls(Repository):
    """Calls that were in progress when their process died."""

    __slots__ = ()

    def load_all(self, scope: Scope, node: int) -> tuple[KeptCall, ...]:
        """The calls of a node, oldest first; without those that have ended, which have a record."""
        return self._read(_of_node(scope, node) & ~_recorded())

    def load_recorded(self, scope: Scope, node: int) -> tuple[KeptCall, ...]:
        """The calls of a node that ended a moment before it died: their parties may not have heard of it."""
        return self._read(_of_node(scope, node) & _recorded())

    def delete_recorded(self, scope: Scope, node: int) -> int:
        """Delete the calls of a node that ended before their deletion was written; returns how many."""
        with self._database.writing() as connection:
            return connection.execute(delete(call_journal).where(_of_node(scope, node), _recorded())).rowcount

    def _read(self, which: ColumnElement[bool]) -> tuple[KeptCall, ...]:
        query = select(call_journal).where(which).order_by(call_journal.c.id)
        box = self._database.secrets
        with self._database.reading() as connection:
            return tuple(call_from(row, box) for row in connection.execute(query))


def _of_node(scope: Scope, node: int) -> ColumnElement[bool]:
    return within(scope, call_journal) & (call_journal.c.node == node)


def _recorded() -> ColumnElement[bool]:
    return exists().where(
        call_record.c.tenant_id == call_journal.c.tenant_id, call_record.c.call == call_journal.c.id
    )
