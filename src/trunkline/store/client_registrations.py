"""Registrations that we make elsewhere, at rest: read at start-up; written by their journal while they live."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from trunkline.model.client_registration import ClientRegistration
from trunkline.model.tenant import Scope
from trunkline.store.commit import Operation
from trunkline.store.repository import Repository
from trunkline.store.rows import (
    DELETE_CLIENT_REGISTRATION,
    UPSERT_CLIENT_REGISTRATION,
    client_registration_row,
)
from trunkline.store.scope import within
from trunkline.store.tables import client_registration
from trunkline.store.writer import Writer


class ClientRegistrations(Repository):
    """What the process before us had registered elsewhere."""

    __slots__ = ()

    def load_all(self, scope: Scope) -> tuple[ClientRegistration, ...]:
        """All of the scope, the one that expires first, first."""
        query = (
            select(client_registration)
            .where(within(scope, client_registration))
            .order_by(client_registration.c.expires_at, client_registration.c.id)
        )
        with self._database.reading() as connection:
            return tuple(ClientRegistration(*row) for row in connection.execute(query))


class ClientRegistrationJournal:
    """Writes registrations down without anybody waiting for it. Methods are called on the writer's loop."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def keep(self, registrations: Iterable[ClientRegistration]) -> None:
        """Write them, new or known, some time soon. Raises WriterFullError, WriterStoppedError."""
        rows = [client_registration_row(one) for one in registrations]
        self._writer.submit(Operation(UPSERT_CLIENT_REGISTRATION, rows))

    def forget(self, tenant: str, key: str) -> None:
        """Delete one. Raises WriterStoppedError."""
        self._writer.submit(Operation(DELETE_CLIENT_REGISTRATION, ((tenant, key),), kept=True))
