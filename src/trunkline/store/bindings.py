"""Bindings at rest: read once at start-up; written by the journal while the exchange runs."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

from sqlalchemy import delete, select

from trunkline.model.binding import Binding
from trunkline.model.tenant import Scope
from trunkline.store.repository import Repository
from trunkline.store.rows import UPSERT_BINDING, binding_from, binding_row
from trunkline.store.scope import may_write, within
from trunkline.store.tables import binding

_CHUNK = 500  # ids in one statement


class Bindings(Repository):
    """Contacts at which AORs can be reached."""

    __slots__ = ()

    def load_all(self, scope: Scope, alive_at: float | None = None) -> tuple[Binding, ...]:
        """All bindings of the scope, sorted by id; those expired by ``alive_at`` (wall clock) left out."""
        query = select(binding).where(within(scope, binding))
        if alive_at is not None:
            query = query.where(binding.c.expires_at > alive_at)
        with self._database.reading() as connection:
            box = self._database.secrets
            found = (binding_from(row, box) for row in connection.execute(query))
            return tuple(sorted(found, key=attrgetter("id")))  # cheaper here than sorting whole rows there

    def upsert_many(self, scope: Scope, bindings: Iterable[Binding]) -> None:
        """Write bindings, new or known, in one transaction. Raises ScopeError for one of another tenant."""
        within(scope, binding)
        rows = []
        for one in bindings:
            may_write(scope, one.tenant)
            rows.append(binding_row(one, self._database.secrets))
        if rows:
            with self._database.writing() as connection:
                connection.exec_driver_sql(UPSERT_BINDING.sql, rows)

    def delete_many(self, scope: Scope, ids: Iterable[str]) -> int:
        """Delete by id, in one transaction; returns how many there were."""
        mine, wanted, gone = within(scope, binding), list(ids), 0
        with self._database.writing() as connection:
            for start in range(0, len(wanted), _CHUNK):
                some = binding.c.id.in_(wanted[start : start + _CHUNK])
                gone += connection.execute(delete(binding).where(mine, some)).rowcount
        return gone

    def delete_expired(self, scope: Scope, now: float) -> int:
        """Delete what expired at ``now`` (wall-clock seconds) or before; returns how many."""
        with self._database.writing() as connection:
            expired = binding.c.expires_at <= now
            return connection.execute(delete(binding).where(within(scope, binding), expired)).rowcount
