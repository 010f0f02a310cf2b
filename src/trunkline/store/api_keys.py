"""The keys of tenants' backends: one for each tenant, kept as a hash."""

from __future__ import annotations

import time

from sqlalchemy import delete, insert, select

from trunkline.base.ids import uuid7
from trunkline.model.device import ApiKey
from trunkline.model.tenant import Scope, TenantScope
from trunkline.store.repository import Repository
from trunkline.store.scope import one_tenant, within
from trunkline.store.tables import tenant_api_key


class ApiKeys(Repository):
    """A key mints tokens for every user of its tenant, so only its hash is kept (SHA-256; a key is long and random)."""

    __slots__ = ()

    def load_all(self, scope: Scope) -> tuple[ApiKey, ...]:
        """All of the scope."""
        columns = (tenant_api_key.c.tenant_id, tenant_api_key.c.hash, tenant_api_key.c.created_at)
        query = select(*columns).where(within(scope, tenant_api_key))
        with self._database.reading() as connection:
            return tuple(ApiKey(*row) for row in connection.execute(query))

    def set(self, scope: TenantScope, digest: str) -> ApiKey:
        """Take this SHA-256 (hexadecimal) as the tenant's only key from now on."""
        key = ApiKey(one_tenant(scope), digest, time.time())
        row = {"tenant_id": key.tenant, "id": uuid7(), "hash": key.hash, "created_at": key.created_at}
        with self._database.writing() as connection:
            connection.execute(delete(tenant_api_key).where(within(scope, tenant_api_key)))
            connection.execute(insert(tenant_api_key).values(row))
        return key

    def remove(self, scope: TenantScope) -> bool:
        """Take the key away; False when there was none."""
        one_tenant(scope)
        with self._database.writing() as connection:
            gone = connection.execute(delete(tenant_api_key).where(within(scope, tenant_api_key)))
            return gone.rowcount > 0
