"""What the registrar needs of its siblings; the wiring hands it in."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from trunkline.model.binding import Binding


class Journal(Protocol):
    """Where bindings are kept so that they survive a restart."""

    def new(self, binding: Binding) -> Awaitable[None]:
        """Write a new binding; done when it is committed. Raises when it cannot be kept."""
        ...

    def refresh(self, binding: Binding) -> None:
        """A known binding lives longer; written with others soon."""
        ...

    def gone(self, binding: Binding) -> Awaitable[None]:
        """Forget a binding; done when that is committed."""
        ...


class Owner(Protocol):
    """A tenant: ``id``, the ``realm`` of its challenges, the HA1s of its users."""

    id: str
    realm: str

    def ha1(self, username: str, realm: str, algorithm: str) -> str | None:
        """See ``CredentialSource``."""
        ...


class Accounts(Protocol):
    """Who may register: tenants by domain, and in each whoever has credentials."""

    def owner_of(self, domain: str) -> Owner | None:
        """The tenant that owns a SIP domain."""
        ...

    def domain_of(self, tenant: str) -> str:
        """The domain that stands in a tenant's addresses, by its id; empty when it was removed meanwhile."""
        ...
