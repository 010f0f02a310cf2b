"""Tenants, and the scope that every repository call names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Tenant:
    """Owner of SIP domains and of everything in them. ``id`` is a UUIDv7; the first domain is its realm."""

    id: str
    name: str
    domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TenantScope:
    """Rows of one tenant only."""

    tenant: str


@dataclass(frozen=True, slots=True)
class SystemScope:
    """Rows of all tenants: start-up, housekeeping, the directory. ``reason`` says why, for the reader."""

    reason: str


Scope: TypeAlias = TenantScope | SystemScope
