"""Texts at rest: read once at start-up; written by the journal while the exchange runs."""

from __future__ import annotations

from sqlalchemy import select

from trunkline.model.tenant import Scope
from trunkline.model.text import Text
from trunkline.store.repository import Repository
from trunkline.store.scope import within
from trunkline.store.tables import text


class KeptTexts(Repository):
    """Texts that wait for their reader."""

    __slots__ = ()

    def load_all(self, scope: Scope) -> tuple[Text, ...]:
        """All of them, oldest first."""
        query = select(text).where(within(scope, text)).order_by(text.c.received_at, text.c.id)
        with self._database.reading() as connection:
            return tuple(Text(*row) for row in connection.execute(query))
