"""What must be looked up before the tenant is known."""

from __future__ import annotations

import re
from ipaddress import IPv6Address

from sqlalchemy import select

from trunkline.model.tenant import SystemScope
from trunkline.store.errors import InvalidValueError
from trunkline.store.repository import Repository
from trunkline.store.scope import whole_system
from trunkline.store.tables import tenant_domain

# RFC 3261 §25.1 hostname and IPv4address, with the underscore that some networks have in their names.
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*")


class Directory(Repository):
    """Domain to tenant: the request's domain picks the tenant before authentication."""

    __slots__ = ()

    def tenant_of(self, scope: SystemScope, domain: str) -> str | None:
        """The id of the tenant that owns ``domain`` (a host name or address, in any case), or None."""
        whole_system(scope)
        query = select(tenant_domain.c.tenant_id).where(tenant_domain.c.domain == folded(domain))
        with self._database.reading() as connection:
            return connection.execute(query).scalar()

    def domains(self, scope: SystemScope) -> dict[str, str]:
        """All domains, in lower case, with their tenants' ids: for the snapshot a request is decided on."""
        whole_system(scope)
        query = select(tenant_domain.c.domain, tenant_domain.c.tenant_id)
        with self._database.reading() as connection:
            return dict(connection.execute(query).all())


def folded(domain: str) -> str:
    """The form in which domains are compared: lower case, no trailing dot (RFC 3261 §19.1.4, RFC 4343)."""
    return domain.lower().removesuffix(".")


def checked_domain(domain: str) -> str:
    """``folded``, or InvalidValueError when this can be no domain of a SIP URI."""
    name = folded(domain)
    if len(name) <= 253 and (_HOST.fullmatch(name) or _is_ipv6_reference(name)):
        return name
    raise InvalidValueError(
        f"domain {domain[:80]!r}: expected a host name or address without port or user, such as "
        "sip.example.com, 192.0.2.1 or [2001:db8::1]"
    )


def _is_ipv6_reference(name: str) -> bool:
    """An IPv6 address in brackets, as URIs have it."""
    if not (name.startswith("[") and name.endswith("]")):
        return False
    try:
        return not IPv6Address(name[1:-1]).scope_id
    except ValueError:
        return False
