"""Mobile accounts at rest: read once at start-up; written by the journal while they live."""

from __future__ import annotations

from sqlalchemy import select

from trunkline.model.device import MobileAccount
from trunkline.model.tenant import Scope
from trunkline.store.repository import Repository
from trunkline.store.scope import within
from trunkline.store.tables import mobile_account


class MobileAccounts(Repository):
    """Whom devices are at a PBX."""

    __slots__ = ()

    def load_all(self, scope: Scope) -> tuple[MobileAccount, ...]:
        """All of the scope, by id."""
        query = select(mobile_account).where(within(scope, mobile_account)).order_by(mobile_account.c.id)
        with self._database.reading() as connection:
            return tuple(MobileAccount(*row) for row in connection.execute(query))
