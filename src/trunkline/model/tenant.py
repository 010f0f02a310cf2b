"""Tenants, and the scope that every repository call names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

DEFAULT_TENANT = "default"


class Named(Protocol):
    """Anything that stands for a tenant."""

    @property
    def name(self) -> str:
        """The tenant's name."""


N = TypeVar("N", bound=Named)


@dataclass(frozen=True, slots=True)
class Tenant:
    """Owner of SIP domains and of everything in them. ``id`` is a UUIDv7.

    ``realm`` is that of its digest challenges; "" when that is its first domain.
    """

    id: str
    name: str
    domains: tuple[str, ...] = ()
    realm: str = ""


@dataclass(frozen=True, slots=True)
class TenantScope:
    """Rows of one tenant only."""

    tenant: str


@dataclass(frozen=True, slots=True)
class SystemScope:
    """Rows of all tenants: start-up, housekeeping, the directory. ``reason`` says why, for the reader."""

    reason: str


Scope: TypeAlias = TenantScope | SystemScope


def default_of(tenants: Iterable[N]) -> N | None:
    """The tenant that is meant when none is named: the one called "default", else the only one there is."""
    known = list(tenants)
    only = known[0] if len(known) == 1 else None
    return next((tenant for tenant in known if tenant.name == DEFAULT_TENANT), only)
