"""What the store knows that settings can be at odds with; read without writing, beside a running exchange too."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from trunkline.app.addresses import parse_host_port
from trunkline.store.directory import folded
from trunkline.store.store import DATABASE_FILE
from trunkline.store.tenants import DEFAULT_TENANT


@dataclass(frozen=True, slots=True)
class Known:
    """``tenants`` by their domains, ``numbers`` of extensions by tenant, ``phones``: a number and where it is from.

    ``default`` is the tenant that is meant where none is named. All of it is empty where there is no store yet.
    """

    default: str = ""
    tenants: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    phones: tuple[tuple[str, str], ...] = ()

    def tenant_of(self, domain: str) -> str | None:
        """The tenant of a domain of the settings; None when nobody has it."""
        return self.tenants.get(folded(domain)) if domain else self.default


def known_of(folder: Path, domain: str) -> Known:
    """Read it; ``domain`` is that of the settings. A store that cannot be read is the disk's finding, not ours."""
    path = folder / DATABASE_FILE
    if not path.exists():
        return Known()
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as store:
            return _read(store, domain)
    except (sqlite3.Error, ValueError):
        return Known()


def _read(store: sqlite3.Connection, domain: str) -> Known:
    names = {name: key for key, name in store.execute("SELECT id, name FROM tenant")}
    default = names.get(DEFAULT_TENANT, "")
    domains = {folded(domain): default} if domain else {}
    domains |= dict(store.execute("SELECT domain, tenant_id FROM tenant_domain"))
    numbers: dict[str, set[str]] = {}
    for tenant, number in store.execute("SELECT tenant_id, number FROM extension"):
        numbers.setdefault(tenant, set()).add(number)
    alive = store.execute("SELECT aor_user, received FROM binding WHERE expires_at > ?", (time.time(),))
    phones = {(user, parse_host_port(received).host) for user, received in alive if received}
    kept = {tenant: frozenset(some) for tenant, some in numbers.items()}
    return Known(default, domains, kept, tuple(sorted(phones)))
