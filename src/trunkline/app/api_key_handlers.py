"""The keys of tenants' backends: made, shown, taken away, and found by their hash."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from typing import Final

from trunkline.app.tenant_handlers import tenant_named
from trunkline.base.messages import (
    ApiKeyMade,
    ApiKeyState,
    MakeApiKey,
    Refused,
    RemoveApiKey,
    ShowApiKey,
)
from trunkline.model.device import ApiKey
from trunkline.model.tenant import SystemScope, Tenant, TenantScope
from trunkline.store.store import Store

_ALL = SystemScope("API keys are the operator's to give, and tell whose a backend is")
# Marks it for people and for scanners of source code; the rest are 256 bits.
PREFIX: Final = "tlk_"


class ApiKeyHandlers:
    """Answers with or without a running exchange: the keys are read from the store whenever one is asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def show(self, _tenant: str, ask: ShowApiKey) -> ApiKeyState:
        found = await self._named(ask.name)
        key = await self._key_of(found)
        return ApiKeyState(name=found.name, created_at=key.created_at if key else 0.0)

    async def make(self, _tenant: str, ask: MakeApiKey) -> ApiKeyMade:
        found = await self._named(ask.name)
        replaced = await self._key_of(found) is not None
        key = f"{PREFIX}{secrets.token_urlsafe(32)}"
        await asyncio.to_thread(self._store.api_keys.set, TenantScope(found.id), digest_of(key))
        return ApiKeyMade(name=found.name, key=key, replaced=replaced)

    async def remove(self, _tenant: str, ask: RemoveApiKey) -> ApiKeyState:
        found = await self._named(ask.name)
        if not await asyncio.to_thread(self._store.api_keys.remove, TenantScope(found.id)):
            raise Refused(
                "api-key.unknown",
                f"tenant {found.name} has no API key",
                f"trunkline tenant api-key {found.name} --new makes one",
                404,
            )
        return ApiKeyState(name=found.name)

    async def tenant_of(self, digest: str) -> str | None:
        """The id of the tenant whose key has this SHA-256 (hexadecimal), None for nobody's."""
        keys = await asyncio.to_thread(self._store.api_keys.load_all, _ALL)
        return next((key.tenant for key in keys if hmac.compare_digest(key.hash, digest)), None)

    async def _named(self, name: str) -> Tenant:
        return tenant_named(name, await asyncio.to_thread(self._store.tenants.list, _ALL))

    async def _key_of(self, tenant: Tenant) -> ApiKey | None:
        keys = await asyncio.to_thread(self._store.api_keys.load_all, TenantScope(tenant.id))
        return keys[0] if keys else None


def digest_of(key: str) -> str:
    """What the store keeps of a key; it is long and random, so that one round of SHA-256 is enough."""
    return hashlib.sha256(key.encode()).hexdigest()
