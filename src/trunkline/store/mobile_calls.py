"""Devices' parts in calls at rest: read once at start-up; written by the journal while the calls live."""

from __future__ import annotations

from sqlalchemy import select

from trunkline.model.device import MobileCall
from trunkline.model.tenant import Scope
from trunkline.store.mobile_rows import mobile_call_from
from trunkline.store.repository import Repository
from trunkline.store.scope import within
from trunkline.store.tables import mobile_call


class MobileCalls(Repository):
    """Calls that rang an app when their process died."""

    __slots__ = ()

    def load_all(self, scope: Scope) -> tuple[MobileCall, ...]:
        """All of the scope, by id."""
        query = select(mobile_call).where(within(scope, mobile_call)).order_by(mobile_call.c.id)
        with self._database.reading() as connection:
            found = connection.execute(query).all()
        box = self._database.secrets
        return tuple(mobile_call_from(row, box) for row in found)
