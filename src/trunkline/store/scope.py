"""Scopes at work: every repository call says whose rows it means, and the query obeys."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Table, true

from trunkline.model.tenant import Scope, SystemScope, TenantScope
from trunkline.store.errors import ScopeError


def within(scope: Scope, table: Table) -> ColumnElement[bool]:
    """The condition that keeps a query inside ``scope``."""
    if isinstance(scope, TenantScope):
        return table.c.tenant_id == scope.tenant
    if isinstance(scope, SystemScope):
        return true()
    raise _no_scope(scope)


def one_tenant(scope: TenantScope) -> str:
    """The tenant of a call that must name one: what is added needs an owner."""
    if isinstance(scope, TenantScope):
        return scope.tenant
    raise _no_scope(scope)


def whole_system(scope: SystemScope) -> None:
    """Refuse a call that sees all tenants, unless it says so."""
    if not isinstance(scope, SystemScope):
        raise _no_scope(scope)


def may_write(scope: Scope, tenant: str) -> None:
    """Refuse to write a row of ``tenant`` under the scope of another one."""
    if isinstance(scope, SystemScope) or one_tenant(scope) == tenant:
        return
    raise ScopeError(f"a row of tenant {tenant} was to be written under {scope!r}")


def _no_scope(scope: object) -> ScopeError:
    return ScopeError(f"this call needs another scope than {type(scope).__name__}: see its signature")
