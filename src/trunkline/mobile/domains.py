"""Which domains accounts may be of, and at which hosts we register for them.

Whoever can name a registrar freely makes us speak to any host, and whoever can name a domain freely makes us place
calls by any operator: both are lists of the operator's, and closed by default.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from trunkline.net.routes import ip_literal

_label = r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?"
_is_name = re.compile(rf"{_label}(?:\.{_label})*\Z").match
MOST_HOST: Final = 253


class OwnDomains(Protocol):
    """The domains of our own exchange."""

    def owner_of(self, domain: str) -> str | None:
        """The id of the tenant that this very domain (lower case) belongs to, None when it is none of ours."""
        ...


class NoOwnDomains:
    """For a gateway without an exchange."""

    def owner_of(self, domain: str) -> str | None:
        """Nobody's."""
        return None


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


@dataclass(frozen=True, slots=True)
class DomainList:
    """``domains`` are those of foreign accounts, for all tenants; ``of_tenant`` more by a tenant's id.

    ``registrars`` are hosts that may be named as registrars beside the domain itself and the hosts under it.
    ``*.example.com`` stands for all names under example.com.
    """

    domains: frozenset[str] = frozenset()
    registrars: frozenset[str] = frozenset()
    of_tenant: Mapping[str, frozenset[str]] | None = None

    @classmethod
    def of(cls, domains: Iterable[str], registrars: Iterable[str] = ()) -> DomainList:
        """From the settings; raises ValueError with the entry that is none."""
        return cls(frozenset(map(_entry, domains)), frozenset(map(_entry, registrars)))

    def takes(self, tenant: str, domain: str) -> bool:
        """Whether accounts may be of this domain (as ``host_of`` gave it)."""
        return _listed(self.domains, domain) or _listed(self._more(tenant), domain)

    def takes_registrar(self, tenant: str, domain: str, host: str) -> bool:
        """Whether we register at this host for accounts of a domain that we take."""
        if host == domain or _is_under(host, domain):
            return True
        return _listed(self.registrars, host) or self.takes(tenant, host)

    def _more(self, tenant: str) -> frozenset[str]:
        return self.of_tenant.get(tenant, frozenset()) if self.of_tenant else frozenset()


def _entry(text: str) -> str:
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
