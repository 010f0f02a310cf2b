"""What registrations need of others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from trunkline.model.client_registration import ClientRegistration


class Journal(Protocol):
    """Where registrations are written down: ``store.client_registrations``. Neither method waits."""

    def keep(self, registrations: Iterable[ClientRegistration]) -> None:
        """Write them, new or known, some time soon."""
        ...

    def forget(self, tenant: str, key: str) -> None:
        """Delete one, some time soon."""
        ...


class NoJournal:
    """For registrations that end with their process."""

    def keep(self, registrations: Iterable[ClientRegistration]) -> None:
        """Nothing is written."""

    def forget(self, tenant: str, key: str) -> None:
        """Nothing was written."""
