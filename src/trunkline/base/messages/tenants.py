"""Tenants and their domains: add, list, remove. Their ``tenant`` field means nothing; ``name`` does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trunkline.base.message_codec import Message, message
from trunkline.base.messages.request import PAGE, Command, Query


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant: its ``domains`` in order, the digest ``realm``, how many ``extensions`` it has."""

    name: str
    id: str
    domains: tuple[str, ...] = ()
    realm: str = ""
    extensions: int = 0


@message("tenant.changed")
class TenantChanged(Message):
    """The tenant as it is now. ``warnings``: such as a tenant that no domain leads to."""

    row: TenantRow
    warnings: tuple[str, ...] = ()


@message("tenant.add")
class AddTenant(Command[TenantChanged]):
    """Refused with ``tenant.exists``, ``tenant.invalid``, ``domain.taken`` or ``domain.invalid``."""

    offline: ClassVar[bool] = True
    name: str
    domains: tuple[str, ...] = ()
    realm: str = ""


@message("tenant.set")
class SetTenant(Command[TenantChanged]):
    """Another digest realm, "" for the first domain. Refused with ``tenant.unknown`` or ``tenant.invalid``."""

    offline: ClassVar[bool] = True
    name: str
    realm: str


@message("tenant.page")
class TenantList(Message):
    """Tenants in the order of their names."""

    rows: tuple[TenantRow, ...] = ()
    next: str | None = None


@message("tenant.list")
class ListTenants(Query[TenantList]):
    """All tenants, a page at a time."""

    offline: ClassVar[bool] = True
    limit: int = PAGE
    after: str | None = None


@message("tenant.removed")
class TenantRemoved(Message):
    """What went with it: ``extensions``, registered contacts (``bindings``), ``calls`` that were ended."""

    name: str
    extensions: int = 0
    bindings: int = 0
    calls: int = 0


@message("tenant.remove")
class RemoveTenant(Command[TenantRemoved]):
    """Delete a tenant with its domains, extensions and call records, and end its calls.

    Refused with ``tenant.unknown``, ``tenant.default``, and without ``force`` with ``tenant.has_extensions``.
    """

    offline: ClassVar[bool] = True
    name: str
    force: bool = False


@message("tenant.add-domain")
class AddDomain(Command[TenantChanged]):
    """Refused with ``tenant.unknown``, ``domain.taken`` or ``domain.invalid``."""

    offline: ClassVar[bool] = True
    name: str
    domain: str


@message("tenant.remove-domain")
class RemoveDomain(Command[TenantChanged]):
    """Refused with ``tenant.unknown`` or ``domain.unknown``."""

    offline: ClassVar[bool] = True
    name: str
    domain: str
