"""Tenants and extensions in memory: the snapshot that decisions are made from.

It is changed only between decisions, on the event loop; passwords are not kept here, only the HA1s that
digest needs, one for each algorithm, made for the tenant's realm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from trunkline.model.extension import Extension
from trunkline.model.tenant import Tenant, default_of
from trunkline.proto.sip.digest import ha1
from trunkline.ua.authentication import CredentialSource

ALGORITHMS: Final = ("SHA-256", "MD5")


class Entry:
    """One extension as calls see it: ``number``, ``name``, a fixed ``contact`` or None, ``max_calls``, its HA1s.

    ``secrets`` are by algorithm for the user ``number``, ``qualified_secrets`` for ``number@realm`` and, where a
    realm of its own makes that another name, ``domain_secrets`` for ``number@domain``.
    """

    __slots__ = (
        "contact",
        "domain_secrets",
        "max_calls",
        "name",
        "number",
        "qualified_secrets",
        "secrets",
    )

    def __init__(self, extension: Extension, realm: str, domain: str = "") -> None:
        self.number = extension.number
        self.name = extension.name
        self.contact = extension.contact
        self.max_calls = extension.max_calls
        self.secrets = _ha1s(extension.number, realm, extension.password)
        self.qualified_secrets = _ha1s(f"{extension.number}@{realm}", realm, extension.password)
        self.domain_secrets = self.qualified_secrets
        if domain and domain != realm:
            self.domain_secrets = _ha1s(f"{extension.number}@{domain}", realm, extension.password)

    def __repr__(self) -> str:
        return f"Entry({self.number})"


class TenantEntry:
    """One tenant: ``domain`` stands in its addresses, ``realm`` in its challenges; by default they are the same."""

    __slots__ = ("domain", "domains", "extensions", "id", "name", "realm")

    def __init__(self, tenant: Tenant, domain: str) -> None:
        self.id = tenant.id
        self.name = tenant.name
        self.domains = tenant.domains
        self.domain = domain
        self.realm = tenant.realm or domain
        self.extensions: dict[str, Entry] = {}

    def ha1(self, username: str, realm: str, algorithm: str) -> str | None:
        """The HA1 of one of its users, who may call itself ``number@realm`` or ``number@domain`` (rule T-32).

        For its own realm only.
        """
        if realm != self.realm:
            return None
        known = self.extensions.get(username)
        if known is not None:
            return known.secrets.get(algorithm)
        number, at, domain = username.rpartition("@")
        known = self.extensions.get(number) if at else None
        if known is None or domain not in {realm, self.domain}:
            return None
        return (known.qualified_secrets if domain == realm else known.domain_secrets).get(algorithm)


class Directory:
    """All tenants. ``fallback_domain`` is that of a tenant without a domain.

    With a single tenant every domain is its own: phones are configured with addresses, aliases and the names
    of NAT boxes. With several, a domain that nobody owns belongs to nobody, but for the fallback: that is the
    default tenant's.
    """

    def __init__(self, tenants: Iterable[Tenant], fallback_domain: str) -> None:
        self._fallback_domain = fallback_domain
        self._tenants: dict[str, TenantEntry] = {}
        self._by_domain: dict[str, TenantEntry] = {}
        self._only: TenantEntry | None = None
        for tenant in tenants:
            self._tenants[tenant.id] = self.entry_of(tenant)
        self._index()

    # Changes

    def entry_of(self, tenant: Tenant, extensions: Iterable[Extension] = ()) -> TenantEntry:
        """A tenant with its extensions, not put in yet. It hashes every password: a thread may do that."""
        made = TenantEntry(tenant, tenant.domains[0] if tenant.domains else self._fallback_domain)
        for extension in extensions:
            made.extensions[extension.number] = Entry(extension, made.realm, made.domain)
        return made

    def put_tenant(self, entry: TenantEntry) -> None:
        """Add a tenant, or put a new one in its place: other domains, another realm."""
        self._tenants[entry.id] = entry
        self._index()

    def remove_tenant(self, tenant: str) -> None:
        """Take a tenant out with all it has; harmless when it is not there."""
        self._tenants.pop(tenant, None)
        self._index()

    def put(self, extension: Extension) -> None:
        """Add or replace an extension."""
        tenant = self._tenants[extension.tenant]
        tenant.extensions[extension.number] = Entry(extension, tenant.realm, tenant.domain)

    def remove(self, tenant: str, number: str) -> None:
        """Take an extension out; harmless when it is not there."""
        entry = self._tenants.get(tenant)
        if entry is not None:
            entry.extensions.pop(number, None)

    # Questions

    @property
    def tenants(self) -> list[TenantEntry]:
        return list(self._tenants.values())

    def holds(self, tenant: str) -> bool:
        """Whether there is a tenant of this id."""
        return tenant in self._tenants

    def owner_of(self, domain: str) -> TenantEntry | None:
        """The tenant that owns a domain (any letter case)."""
        return self._by_domain.get(domain) or self._by_domain.get(domain.lower(), self._only)

    def tenant_of(self, domain: str) -> str | None:
        """The id of the tenant that owns a domain (any letter case)."""
        owner = self.owner_of(domain)
        return None if owner is None else owner.id

    @property
    def fallback_domain(self) -> str:
        return self._fallback_domain

    def realm_of(self, tenant: str) -> str:
        """Empty for a tenant that was removed while a request of its waited."""
        entry = self._tenants.get(tenant)
        return entry.realm if entry is not None else ""

    def domain_of(self, tenant: str) -> str:
        """What stands after the @ in a tenant's addresses; empty for one that was removed meanwhile."""
        entry = self._tenants.get(tenant)
        return entry.domain if entry is not None else ""

    def extension(self, tenant: str, number: str) -> Entry | None:
        entry = self._tenants.get(tenant)
        return entry.extensions.get(number) if entry is not None else None

    def knows(self, tenant: str, user: str) -> bool:
        return self.extension(tenant, user) is not None

    def credentials(self, tenant: str) -> CredentialSource:
        """The HA1 lookup of one tenant; it answers for its own realm only."""
        return self._tenants[tenant].ha1

    def _index(self) -> None:
        by_domain: dict[str, TenantEntry] = {}
        for tenant in self._tenants.values():
            for domain in tenant.domains:
                # The first owner keeps it: no tenant takes another's domain by coming later.
                by_domain.setdefault(domain.lower(), tenant)
        default = default_of(self._tenants.values())
        if default is not None:
            by_domain.setdefault(self._fallback_domain.lower(), default)
        self._by_domain = by_domain
        self._only = next(iter(self._tenants.values())) if len(self._tenants) == 1 else None


def _ha1s(username: str, realm: str, password: str) -> dict[str, str]:
    if not password:
        # There is nothing that anybody could prove: no HA1, or that of the empty password would do.
        return {}
    return {algorithm: ha1(username, realm, password, algorithm) for algorithm in ALGORITHMS}


Reach = Callable[[str, str], int]
"""How many live bindings an AOR (tenant, user) has."""
