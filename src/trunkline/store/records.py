"""Call records: appended by the journal, read by people."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, delete, or_, select, tuple_

from trunkline.model.record import CallRecord
from trunkline.model.tenant import Scope, SystemScope
from trunkline.store.errors import AmbiguousError
from trunkline.store.repository import Repository
from trunkline.store.rows import APPEND_RECORD, record_from, record_row
from trunkline.store.scope import may_write, within
from trunkline.store.tables import call_record, tenant

MAX_LISTED = 10_000
_PURGE_CHUNK = 2_000  # rows deleted in one transaction, so that the exchange waits some milliseconds at most
_LEGS_READ = 1_000  # enough to see whether a key fits one call or several
_SHOWN = 5
_AFTER_ALL = "\x7f"  # sorts after every character of an identifier


class CallRecords(Repository):
    """What became of calls: one record for each leg and attempt."""

    __slots__ = ()

    def append_many(self, scope: Scope, records: Iterable[CallRecord]) -> None:
        """Write records in one transaction; one that is there already is left as it is."""
        within(scope, call_record)
        rows = []
        for one in records:
            may_write(scope, one.tenant)
            rows.append(record_row(one))
        if rows:
            with self._database.writing() as connection:
                connection.exec_driver_sql(APPEND_RECORD.sql, rows)

    def list(
        self,
        scope: Scope,
        *,
        limit: int = 100,
        number: str | None = None,
        since: float | None = None,
        call: str | None = None,
    ) -> tuple[CallRecord, ...]:
        """The newest records first, at most ``limit`` (1..10000).

        ``number`` is caller, callee or target; ``since`` wall-clock seconds of the start; ``call`` a
        call's id.
        """
        if not 1 <= limit <= MAX_LISTED:
            raise ValueError(f"limit must be 1..{MAX_LISTED}, got {limit}")
        c = call_record.c
        if call is None:
            query = select(call_record).where(within(scope, call_record))
            query = query.order_by(c.started_at.desc()).limit(limit)
        else:
            query = select(call_record).where(_indexed(scope), c.call == call)
        if number is not None:
            query = query.where(or_(c.caller == number, c.callee == number, c.target == number))
        if since is not None:
            query = query.where(c.started_at >= since)
        with self._database.reading() as connection:
            found = map(record_from, connection.execute(query))
            return tuple(sorted(found, key=_age, reverse=True)[:limit])

    def find(self, scope: Scope, key: str) -> tuple[CallRecord, ...]:
        """The legs of one call, oldest first; empty when none fits.

        ``key`` is the call's id, a SIP Call-ID of one of its legs, or the beginning of the call's id. Raises
        AmbiguousError when it fits several calls.
        """
        c = call_record.c
        mine = _indexed(scope)
        beginning = (c.call >= key) & (c.call < key + _AFTER_ALL)
        with self._database.reading() as connection:
            for fits in (c.call == key, c.sip_call_id == key, beginning) if key else ():
                call = _only_call(connection, mine & fits, key)
                if call is not None:
                    legs = connection.execute(select(call_record).where(mine, c.call == call))
                    return tuple(sorted(map(record_from, legs), key=_age))
        return ()

    def purge(self, scope: Scope, before: float) -> int:
        """Delete what ended before ``before`` (wall-clock seconds), some at a time; returns how many."""
        c = call_record.c
        # What ended before also started before, and only the start has an index.
        old = (c.started_at < before) & (c.ended_at < before)
        key = tuple_(c.tenant_id, c.id)
        some = select(c.tenant_id, c.id).where(within(scope, call_record), old).limit(_PURGE_CHUNK)
        total = 0
        while True:
            with self._database.writing() as connection:
                gone = connection.execute(delete(call_record).where(key.in_(some))).rowcount
            total += gone
            if gone < _PURGE_CHUNK:
                return total


def _indexed(scope: Scope) -> ColumnElement[bool]:
    """The scope in a form that lets the indexes of calls, which begin with the tenant, serve.

    Queries by call are sorted here rather than by ORDER BY: SQLite keeps no statistics of its own accord, and
    would walk all records of the tenant in the wanted order instead of looking up the call.
    """
    if isinstance(scope, SystemScope):
        return call_record.c.tenant_id.in_(select(tenant.c.id))
    return within(scope, call_record)


def _age(record: CallRecord) -> tuple[float, str]:
    return record.started_at, record.id


def _only_call(connection: Connection, fits: ColumnElement[bool], key: str) -> str | None:
    """The call of the records that fit, None without any. Raises AmbiguousError."""
    query = select(call_record.c.call).where(fits).limit(_LEGS_READ)
    calls = sorted(set(connection.execute(query).scalars()), reverse=True)
    if len(calls) > 1:
        shown = tuple(calls[:_SHOWN])
        raise AmbiguousError(f"{key[:80]!r} fits several calls: {', '.join(shown)}", shown)
    return calls[0] if calls else None
