"""Tenants: added, listed, removed and given domains, with or without a running exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Protocol

from trunkline.base.messages import (
    AddDomain,
    AddTenant,
    ListTenants,
    Refused,
    RemoveDomain,
    RemoveTenant,
    SetTenant,
    TenantChanged,
    TenantList,
    TenantRemoved,
    TenantRow,
)
from trunkline.model.tenant import SystemScope, Tenant, TenantScope, default_of
from trunkline.pbx.directory import Directory, TenantEntry
from trunkline.store.directory import checked_domain, folded
from trunkline.store.errors import DuplicateError, InvalidValueError
from trunkline.store.store import Store

MAX_NAME = 64
_ALL = SystemScope("tenants are the operator's, whoever owns them")


class LiveTenants(Protocol):
    """What a running exchange is told of changes, on its loop."""

    directory: Directory

    async def remove_tenant(self, tenant: str) -> tuple[int, int]:
        """Admit nobody of this tenant, end its calls and registrations: how many contacts, how many calls."""


class TenantHandlers:
    """``live`` is None without an exchange: then only the store changes. ``domain`` is the configured one."""

    def __init__(self, store: Store, domain: str, live: LiveTenants | None) -> None:
        self._store = store
        self._domain = domain
        self._live = live

    async def add(self, _tenant: str, ask: AddTenant) -> TenantChanged:
        known = await self._all()
        _check_name(ask.name, known)
        domains = tuple(dict.fromkeys(_checked(domain, known) for domain in ask.domains))
        try:
            added = await asyncio.to_thread(self._store.tenants.add, _ALL, ask.name, domains, ask.realm)
        except (DuplicateError, InvalidValueError) as error:
            raise Refused("tenant.invalid", str(error)) from None
        if self._live is not None:
            self._live.directory.put_tenant(self._live.directory.entry_of(added))
        return TenantChanged(row=self._row(added, 0), warnings=tuple(self._unreachable([*known, added])))

    async def change(self, _tenant: str, ask: SetTenant) -> TenantChanged:
        found = tenant_named(ask.name, await self._all())
        try:
            await asyncio.to_thread(self._store.tenants.set_realm, TenantScope(found.id), ask.realm)
        except InvalidValueError as error:
            raise Refused("tenant.invalid", str(error)) from None
        return await self._changed(found.id)

    async def page(self, _tenant: str, ask: ListTenants) -> TenantList:
        sizes = await asyncio.to_thread(self._store.tenants.sizes, _ALL)
        rest = [one for one in await self._all() if ask.after is None or one.name > ask.after]
        rows = tuple(self._row(one, sizes.get(one.id, 0)) for one in rest[: ask.limit])
        return TenantList(rows=rows, next=rows[-1].name if len(rest) > ask.limit else None)

    async def remove(self, _tenant: str, ask: RemoveTenant) -> TenantRemoved:
        known = await self._all()
        found = tenant_named(ask.name, known)
        if found is default_of(known):
            raise Refused(
                "tenant.default", f"tenant {found.name} stays: it is meant when none is named", status=409
            )
        size = (await asyncio.to_thread(self._store.tenants.sizes, TenantScope(found.id))).get(found.id, 0)
        if size and not ask.force:
            raise Refused(
                "tenant.has_extensions",
                f"tenant {found.name} has {size} extensions",
                "--yes removes it with its extensions, registrations and call records",
                409,
            )
        bindings, calls = (0, 0) if self._live is None else await self._live.remove_tenant(found.id)
        try:
            await asyncio.to_thread(self._store.tenants.remove, _ALL, found.id)
        except BaseException:
            await self._tell(found)  # it stays, so its phones are served again
            raise
        return TenantRemoved(name=found.name, extensions=size, bindings=bindings, calls=calls)

    async def add_domain(self, _tenant: str, ask: AddDomain) -> TenantChanged:
        known = await self._all()
        found = tenant_named(ask.name, known)
        domain = _checked(ask.domain, known)
        try:
            await asyncio.to_thread(self._store.tenants.add_domain, TenantScope(found.id), domain)
        except (DuplicateError, InvalidValueError) as error:
            raise Refused("domain.invalid", str(error)) from None
        return await self._changed(found.id)

    async def remove_domain(self, _tenant: str, ask: RemoveDomain) -> TenantChanged:
        known = await self._all()
        found = tenant_named(ask.name, known)
        scope = TenantScope(found.id)
        if not await asyncio.to_thread(self._store.tenants.remove_domain, scope, ask.domain):
            owner = _owner(ask.domain, known)
            hint = f"it belongs to tenant {owner.name}" if owner else "trunkline tenant list shows them"
            raise Refused("domain.unknown", f"tenant {found.name} has no domain {ask.domain[:80]}", hint, 404)
        return await self._changed(found.id)

    async def _changed(self, key: str) -> TenantChanged:
        known = await self._all()
        found = next(one for one in known if one.id == key)
        await self._tell(found)
        sizes = await asyncio.to_thread(self._store.tenants.sizes, TenantScope(key))
        return TenantChanged(
            row=self._row(found, sizes.get(key, 0)), warnings=tuple(self._unreachable(known))
        )

    async def _tell(self, tenant: Tenant) -> None:
        """Give the running exchange the tenant as it is stored: a new realm needs new HA1s of everybody."""
        if self._live is not None:
            self._live.directory.put_tenant(await asyncio.to_thread(self._loaded, self._live, tenant))

    def _loaded(self, live: LiveTenants, tenant: Tenant) -> TenantEntry:
        extensions = self._store.extensions.list(TenantScope(tenant.id), passwords=True)
        return live.directory.entry_of(tenant, extensions)

    async def _all(self) -> tuple[Tenant, ...]:
        return await asyncio.to_thread(self._store.tenants.list, _ALL)

    def _row(self, tenant: Tenant, extensions: int) -> TenantRow:
        realm = tenant.realm or (tenant.domains[0] if tenant.domains else self._domain)
        return TenantRow(tenant.name, tenant.id, tenant.domains, realm, extensions)

    def _unreachable(self, known: Iterable[Tenant]) -> Iterator[str]:
        """Which tenants no domain, or only the configured one, leads to, now that there are several."""
        tenants = list(known)
        if len(tenants) < 2:
            return
        default, owner = default_of(tenants), _owner(self._domain, tenants)
        for one in tenants:
            if one.domains:
                continue
            next_step = f"trunkline tenant domain add {one.name} DOMAIN"
            if one is default and owner is None:
                yield (
                    f"tenant {one.name} has no domain of its own: among several tenants only requests to "
                    f"{self._domain} (the setting domain) are its own, and phones that call the exchange by "
                    f"another name or address get 404; next: {next_step}"
                )
            else:
                yield f"tenant {one.name} has no domain: no phone can reach it; next: {next_step}"


def tenant_named(named: str | None, known: Iterable[Tenant]) -> Tenant:
    """The tenant of this name or id, the default one for None; refused with ``tenant.unknown``."""
    tenants = list(known)
    if named is None:
        default = default_of(tenants)
        if default is None:
            names = ", ".join(one.name for one in tenants[:10])
            raise Refused("tenant.unnamed", f"there are several tenants: {names}", "name one with --tenant")
        return default
    for one in tenants:
        if named in {one.name, one.id}:
            return one
    near = get_close_matches(named.lower(), [one.name for one in tenants], n=3, cutoff=0.5)
    near += [one.name for one in tenants if one.name.lower() == named.lower() and one.name not in near]
    hint = f"did you mean {' or '.join(near)}?" if near else "trunkline tenant list shows them"
    raise Refused("tenant.unknown", f"there is no tenant {named[:80]}", hint, 404)


def _check_name(name: str, known: Iterable[Tenant]) -> None:
    if not 0 < len(name) <= MAX_NAME or not name.isprintable() or name != name.strip() or name[0] == "-":
        raise Refused(
            "tenant.invalid",
            f"the name {name[:80]!r}: expected 1 to {MAX_NAME} printable characters, no dash before and no "
            "space around them",
        )
    for one in known:
        if one.name.casefold() == name.casefold():
            raise Refused(
                "tenant.exists", f"there is a tenant {one.name} already", "choose another name", 409
            )


def _checked(domain: str, known: Iterable[Tenant]) -> str:
    try:
        name = checked_domain(domain)
    except InvalidValueError as error:
        raise Refused("domain.invalid", str(error)) from None
    owner = _owner(name, known)
    if owner is not None:
        raise Refused(
            "domain.taken",
            f"the domain {name} belongs to tenant {owner.name} already: one domain belongs to one tenant",
            f"trunkline tenant domain remove {owner.name} {name}",
            409,
        )
    return name


def _owner(domain: str, known: Iterable[Tenant]) -> Tenant | None:
    return next((one for one in known if folded(domain) in one.domains), None)
