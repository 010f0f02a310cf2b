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
        conditions: list[ColumnElement[bool]] = [within(scope, call_record)]
        if number is not None:
            conditions.append(or_(c.caller == number, c.callee == number, c.target == number))
        if since is not None:
            conditions.append(c.started_at >= since)
        if call is not None:
            conditions.append(c.call == call)
        query = select(call_record).where(*conditions).order_by(c.started_at.desc(), c.id.desc()).limit(limit)
        with self._database.reading() as connection:
            return tuple(map(record_from, connection.execute(query)))

    def find(self, scope: Scope, key: str) -> tuple[CallRecord, ...]:
        """The legs of one call, oldest first; empty when none fits.

        ``key`` is the call's id, a SIP Call-ID of one of its legs, or the beginning of the call's id. Raises
        AmbiguousError when it fits several calls.
        """
        c = call_record.c
        mine = within(scope, call_record)
        if isinstance(scope, SystemScope):
            mine = c.tenant_id.in_(
                select(tenant.c.id)
            )  # lets the indexes, which begin with the tenant, serve
        beginning = (c.call >= key) & (c.call < key + _AFTER_ALL)
        with self._database.reading() as connection:
            for fits in (c.call == key, c.sip_call_id == key, beginning) if key else ():
                call = _only_call(connection, mine & fits, key)
                if call is not None:
                    query = select(call_record).where(mine, c.call == call).order_by(c.started_at, c.id)
                    return tuple(map(record_from, connection.execute(query)))
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


def _only_call(connection: Connection, fits: ColumnElement[bool], key: str) -> str | None:
    newest_first = call_record.c.call.desc()
    query = select(call_record.c.call).where(fits).distinct().order_by(newest_first).limit(_SHOWN)
    calls = tuple(connection.execute(query).scalars())
    if len(calls) > 1:
        raise AmbiguousError(f"{key[:80]!r} fits several calls: {', '.join(calls)}", calls)
    return calls[0] if calls else None
