"""Which domains accounts may be of, and at which hosts we register for them.

Whoever can name a registrar freely makes us speak to any host, and whoever can name a domain freely makes us place
calls by any operator: both are lists of the operator's, and closed by default.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Final, Protocol

from trunkline.base.errors import TransportError
from trunkline.net.dns import Hop
from trunkline.net.public_addresses import Network, may_reach
from trunkline.net.routes import ip_literal
from trunkline.proto.sip.uri import SipUri, bare_host

_label = r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?"
_is_name = re.compile(rf"{_label}(?:\.{_label})*\Z").match
MOST_HOST: Final = 253
EVERY: Final = "*"


class OwnDomains(Protocol):
    """The domains of our own exchange."""

    def owner_of(self, domain: str) -> str | None:
        """The id of the tenant that this very domain (lower case) belongs to, None when it is none of ours."""
        ...


def host_of(text: str) -> str | None:
    """A host name or address in its usual form (lower case; IPv6 without brackets), None for anything else."""
    if not text.isascii() or len(text) > MOST_HOST:
        return None
    literal = ip_literal(text)
    if literal is not None:
        return None if "%" in literal else literal
    name = text.lower().removesuffix(".")
    # "1.2.3" is no name: an address in a form that a resolver might understand is not what was meant.
    return name if _is_name(name) and not name.rpartition(".")[2].isdigit() else None


def in_uri(host: str) -> str:
    """A host as it stands in a URI."""
    return f"[{host}]" if ":" in host else host


def proven_by(user: str, domain: str, registrar: str) -> str:
    """What a registrar's word is good for: ``user@domain`` from the domain itself and the hosts under it.

    Another host speaks for its own users only, whatever domain they give themselves: its name is told with them.
    """
    address = f"{user}@{in_uri(domain)}"
    if not registrar or registrar == domain or _is_under(registrar, domain):
        return address
    return f"{address};registrar={in_uri(registrar)}"


@dataclass(slots=True)
class DomainList:
    """``domains`` are those of foreign accounts; ``of_tenant`` more by a tenant's id.

    ``*.example.com`` stands for all names under example.com, ``*`` for every public one. ``registrars`` are hosts
    that may be named as registrars beside the domain itself and the hosts under it, ``networks`` addresses that may.
    ``inside`` are networks where registrars may be that the operator has not named one by one.
    """

    domains: frozenset[str] = frozenset()
    registrars: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    inside: tuple[Network, ...] = ()
    of_tenant: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        domains: Iterable[str],
        registrars: Iterable[str] = (),
        inside: Iterable[Network] = (),
        of_tenant: Mapping[str, Iterable[str]] | None = None,
    ) -> DomainList:
        """From the settings; raises ValueError with the entry that is none."""
        hosts = list(registrars)
        networks = tuple(ipaddress.ip_network(one) for one in hosts if "/" in one)
        named = frozenset(_entry(one) for one in hosts if "/" not in one)
        more = {tenant: frozenset(map(_entry, names)) for tenant, names in (of_tenant or {}).items()}
        return cls(frozenset(map(_entry, domains)), named, networks, tuple(inside), more)

    def become(self, other: DomainList) -> None:
        """Hold from now on what ``other`` holds: whoever has this list goes by it."""
        for one in fields(self):
            setattr(self, one.name, getattr(other, one.name))

    def takes(self, tenant: str, domain: str) -> bool:
        """Whether accounts may be of this domain (as ``host_of`` gave it)."""
        if self.names(domain) or _listed(self.of_tenant.get(tenant, frozenset()), domain):
            return True
        return EVERY in self.domains and self._may_be_reached(domain)

    def takes_registrar(self, tenant: str, domain: str, host: str) -> bool:
        """Whether we register at this host for accounts of a domain that we take."""
        if host == domain or _is_under(host, domain) or _listed(self.registrars, host):
            return True
        literal = ip_literal(host)
        if literal is not None and any(ipaddress.ip_address(literal) in one for one in self.networks):
            return True
        return self.takes(tenant, host)

    def names(self, host: str) -> bool:
        """Whether the operator has named this host, so that it may be looked up to any address."""
        return _listed(self.domains, host) or _listed(self.registrars, host)

    def may_lead_to(self, host: str, address: str) -> bool:
        """Whether a look-up of a host may end at an address: what nobody has named must not lead inside."""
        if self.names(host) or any(_listed(names, host) for names in self.of_tenant.values()):
            return True
        return may_reach(address, (*self.inside, *self.networks))

    def _may_be_reached(self, host: str) -> bool:
        literal = ip_literal(host)
        return may_reach(literal, self.inside) if literal is not None else "." in host


class Locate(Protocol):
    """Finds the servers of a URI."""

    async def locate(self, uri: SipUri) -> list[Hop]:
        """At least one; raises TransportError."""
        ...


class GuardedLocator:
    """A locator that leads nowhere but where ``listed`` allows: for look-ups of names that apps give us."""

    def __init__(self, inner: Locate, listed: DomainList) -> None:
        self._inner = inner
        self._listed = listed

    async def locate(self, uri: SipUri) -> list[Hop]:
        """Raises TransportError too when no address is allowed."""
        host = host_of(bare_host(uri.host)) or uri.host
        found = await self._inner.locate(uri)
        allowed = [hop for hop in found if self._listed.may_lead_to(host, hop.address)]
        if not allowed:
            raise TransportError(f"{host} leads to no address that [mobile] inside allows")
        return allowed


def _entry(text: str) -> str:
    if text == EVERY:
        return text
    wild = text.startswith("*.")
    host = host_of(text[2:] if wild else text)
    if host is None or (wild and ip_literal(host) is not None):
        raise ValueError(text)
    return f"*.{host}" if wild else host


def _listed(entries: frozenset[str], host: str) -> bool:
    if host in entries:
        return True
    rest = host
    while "." in rest:
        rest = rest.partition(".")[2]
        if f"*.{rest}" in entries and ip_literal(host) is None:
            return True
    return False


def _is_under(host: str, domain: str) -> bool:
    return host.endswith(f".{domain}") and ip_literal(host) is None and ip_literal(domain) is None
