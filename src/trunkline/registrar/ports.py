"""What the registrar needs of its siblings; the wiring hands it in."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from trunkline.model.binding import Binding
from trunkline.ua.authentication import CredentialSource


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


class Accounts(Protocol):
    """Who may register: tenants by domain, and in each whoever has credentials."""

    def tenant_of(self, domain: str) -> str | None:
        """The id of the tenant that owns a SIP domain."""
        ...

    def realm_of(self, tenant: str) -> str:
        """The realm of its challenges."""
        ...

    def credentials(self, tenant: str) -> CredentialSource:
        """The HA1s of its users."""
        ...
