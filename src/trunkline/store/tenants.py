"""Tenants and the domains they own."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, delete, func, insert, select, true, update
from sqlalchemy.exc import IntegrityError

from trunkline.base.ids import uuid7
from trunkline.model.tenant import DEFAULT_TENANT, Scope, SystemScope, Tenant, TenantScope
from trunkline.store.directory import checked_domain, folded
from trunkline.store.errors import DuplicateError, InvalidValueError, NotFoundError
from trunkline.store.repository import Repository
from trunkline.store.scope import one_tenant, whole_system, within
from trunkline.store.tables import extension, tenant, tenant_domain

__all__ = ["DEFAULT_TENANT", "Tenants", "insert_tenant"]

MAX_REALM = 255
_NOT_IN_REALM = frozenset('"\\')


class Tenants(Repository):
    """The tenants. Under a tenant's scope only that one is seen."""

    __slots__ = ()

    def list(self, scope: Scope) -> tuple[Tenant, ...]:
        """All tenants in the scope, by name, each with its domains in order."""
        within(scope, tenant_domain)
        mine = tenant.c.id == scope.tenant if isinstance(scope, TenantScope) else true()
        query = (
            select(tenant.c.id, tenant.c.name, tenant.c.realm, tenant_domain.c.domain)
            .outerjoin(tenant_domain)
            .where(mine)
            .order_by(tenant.c.name, tenant_domain.c.position)
        )
        with self._database.reading() as connection:
            return _with_domains(connection.execute(query))

    def get(self, scope: Scope, name: str) -> Tenant | None:
        """The tenant of that name, or None; ``name`` may also be its id."""
        return next((found for found in self.list(scope) if name in {found.name, found.id}), None)

    def add(self, scope: SystemScope, name: str, domains: Iterable[str] = (), realm: str = "") -> Tenant:
        """A new tenant. Raises DuplicateError (name or domain), InvalidValueError."""
        whole_system(scope)
        if not 0 < len(name) <= 255 or not name.isprintable():
            raise InvalidValueError(f"tenant name {name[:80]!r}: expected 1 to 255 printable characters")
        new = Tenant(uuid7(), name, tuple(map(checked_domain, domains)), checked_realm(realm))
        with self._database.writing() as connection:
            insert_tenant(connection, new)
        return new

    def remove(self, scope: SystemScope, key: str) -> bool:
        """Delete the tenant with the id ``key`` and everything it owns; False when there was none."""
        whole_system(scope)
        with self._database.writing() as connection:
            return connection.execute(delete(tenant).where(tenant.c.id == key)).rowcount > 0

    def sizes(self, scope: Scope) -> dict[str, int]:
        """How many extensions each tenant of the scope has, by its id; those without any are left out."""
        owner = extension.c.tenant_id
        query = select(owner, func.count()).where(within(scope, extension)).group_by(owner)
        with self._database.reading() as connection:
            return dict(connection.execute(query).all())

    def set_realm(self, scope: TenantScope, realm: str) -> None:
        """Give the tenant a realm of its own, "" for none. Raises InvalidValueError, NotFoundError."""
        owner, text = one_tenant(scope), checked_realm(realm)
        with self._database.writing() as connection:
            changed = connection.execute(
                update(tenant).where(tenant.c.id == owner).values(realm=text or None)
            )
            if not changed.rowcount:
                raise NotFoundError(f"there is no tenant {owner}")

    def add_domain(self, scope: TenantScope, domain: str) -> None:
        """Give the tenant one more domain. Raises DuplicateError (of any tenant), InvalidValueError."""
        owner, name = one_tenant(scope), checked_domain(domain)
        last = select(func.max(tenant_domain.c.position)).where(within(scope, tenant_domain))
        with self._database.writing() as connection:
            position = connection.execute(last).scalar()
            if connection.execute(select(tenant.c.id).where(tenant.c.id == owner)).first() is None:
                raise NotFoundError(f"there is no tenant {owner}")
            _insert_domain(connection, owner, name, 0 if position is None else position + 1)

    def remove_domain(self, scope: TenantScope, domain: str) -> bool:
        """Take a domain away; False when the tenant did not have it."""
        one_tenant(scope)
        mine = within(scope, tenant_domain)
        with self._database.writing() as connection:
            gone = connection.execute(
                delete(tenant_domain).where(mine, tenant_domain.c.domain == folded(domain))
            )
            return gone.rowcount > 0


def checked_realm(realm: str) -> str:
    """A realm as challenges may carry it: printable, without quotes. Raises InvalidValueError."""
    if (
        len(realm) > MAX_REALM
        or not realm.isprintable()
        or realm != realm.strip()
        or set(realm) & _NOT_IN_REALM
    ):
        raise InvalidValueError(
            f"realm {realm[:80]!r}: expected at most {MAX_REALM} printable characters without quotes, "
            "backslashes and spaces around them"
        )
    return realm


def insert_tenant(connection: Connection, new: Tenant) -> None:
    """Write a tenant and its domains in the caller's transaction. Raises DuplicateError."""
    try:
        connection.execute(insert(tenant).values(id=new.id, name=new.name, realm=new.realm or None))
    except IntegrityError as error:
        raise DuplicateError(f"there is a tenant {new.name!r} already") from error
    for position, domain in enumerate(new.domains):
        _insert_domain(connection, new.id, domain, position)


def _insert_domain(connection: Connection, owner: str, domain: str, position: int) -> None:
    row = {"tenant_id": owner, "id": uuid7(), "domain": domain, "position": position}
    try:
        connection.execute(insert(tenant_domain).values(row))
    except IntegrityError as error:
        # Whose it is, is not for another tenant to know.
        raise DuplicateError(f"the domain {domain} is taken: one domain belongs to one tenant") from error


def _with_domains(rows: Iterable[tuple[str, str, str | None, str | None]]) -> tuple[Tenant, ...]:
    found: dict[tuple[str, str, str], tuple[str, ...]] = {}
    for key, name, realm, domain in rows:
        one = key, name, realm or ""
        found[one] = (*found.get(one, ()), *([domain] if domain else []))
    return tuple(Tenant(key, name, domains, realm) for (key, name, realm), domains in found.items())
