"""``trunkline tenant``: add, list, remove, and the domains of tenants."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.app.cli import tenant_key
from trunkline.app.cli.asking import exchange, fetch
from trunkline.app.cli.completing import tenants
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Data, Json
from trunkline.app.render import TENANTS, count_of
from trunkline.app.terminal import Screen
from trunkline.base.messages import (
    AddDomain,
    AddTenant,
    ListTenants,
    RemoveDomain,
    RemoveTenant,
    SetTenant,
    TenantChanged,
    TenantRow,
)

app = Commands("Add, list and remove tenants, and give them domains.")
domain_app = Commands("Give a tenant a domain, or take one away.")
app.add_typer(domain_app, name="domain")
tenant_key.register(app)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The tenant's name or id.", autocompletion=tenants)]
Domain = Annotated[
    str, typer.Argument(metavar="DOMAIN", help="Such as sip.example.com, 192.0.2.1 or [2001:db8::1].")
]


@app.command(
    "add",
    examples=[
        "trunkline tenant add acme --domain acme.example.com",
        "trunkline tenant add 'Jones & Sons' --domain jones.example --domain pbx.jones.example",
    ],
)
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="1 to 64 printable characters.")],
    domain: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DOMAIN",
            help="A domain of its own; several times for several. The first is its realm by default.",
        ),
    ] = None,
    realm: Annotated[
        str, typer.Option(metavar="REALM", help="Its digest realm. Default: its first domain.")
    ] = "",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Add a tenant: extensions, calls and records of its own, found by its domains."""
    with exchange(data) as asker:
        added = asker.ask(AddTenant(name=name, domains=tuple(domain or ()), realm=realm))
    _show(added, f"tenant {added.row.name} added", as_json=as_json)


@app.command(
    "set",
    examples=["trunkline tenant set acme --realm 'Acme telephones'", "trunkline tenant set acme --realm ''"],
)
def change(
    name: Name,
    realm: Annotated[
        str, typer.Option(metavar="REALM", help="Its digest realm; an empty one is its first domain.")
    ],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Change a tenant's realm. Its phones log in again by themselves; it never moves with the domains then."""
    with exchange(data) as asker:
        changed = asker.ask(SetTenant(name=name, realm=realm))
    _show(changed, f"tenant {changed.row.name} changed", as_json=as_json)


@app.command("list", examples=["trunkline tenant list", "trunkline tenant list --json"])
def list_tenants(data: Data = None, as_json: Json = False) -> None:
    """List the tenants with their domains."""
    screen = Screen()
    with exchange(data) as asker:
        rows: list[TenantRow] = fetch(asker, ListTenants())
    if as_json:
        screen.json(rows)
    else:
        screen.table(TENANTS, rows, "No tenants.")


@app.command("remove", examples=["trunkline tenant remove acme", "trunkline tenant remove acme --yes"])
def remove(
    name: Name,
    yes: Annotated[
        bool,
        typer.Option("--yes", help="Also when it has extensions: they go, with registrations and records."),
    ] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Remove a tenant with its domains and call records. Its calls end."""
    screen = Screen()
    with exchange(data) as asker:
        gone = asker.ask(RemoveTenant(name=name, force=yes))
    if as_json:
        screen.json(
            {"name": gone.name, "extensions": gone.extensions, "bindings": gone.bindings, "calls": gone.calls}
        )
    else:
        screen.line(
            f"tenant {gone.name} removed ({count_of(gone.extensions, 'extension')}, "
            f"{count_of(gone.bindings, 'registration')}, {count_of(gone.calls, 'call')} ended)"
        )


@domain_app.command("add", examples=["trunkline tenant domain add acme pbx.acme.example.com"])
def add_domain(name: Name, domain: Domain, data: Data = None, as_json: Json = False) -> None:
    """Give a tenant one more domain. Its first one becomes the realm where none is set: phones log in again."""
    with exchange(data) as asker:
        changed = asker.ask(AddDomain(name=name, domain=domain))
    _show(changed, f"tenant {changed.row.name} has the domain {domain}", as_json=as_json)


@domain_app.command("remove", examples=["trunkline tenant domain remove acme pbx.acme.example.com"])
def remove_domain(name: Name, domain: Domain, data: Data = None, as_json: Json = False) -> None:
    """Take a domain away. Registrations stay until they expire; calls that are up go on."""
    with exchange(data) as asker:
        changed = asker.ask(RemoveDomain(name=name, domain=domain))
    _show(changed, f"tenant {changed.row.name} has the domain {domain} no more", as_json=as_json)


def _show(changed: TenantChanged, done: str, *, as_json: bool) -> None:
    screen = Screen()
    row = changed.row
    if as_json:
        screen.json(
            {
                "name": row.name,
                "id": row.id,
                "domains": row.domains,
                "realm": row.realm,
                "extensions": row.extensions,
                "warnings": changed.warnings,
            }
        )
        return
    screen.line(f"{done}; realm {row.realm}")
    for warning in changed.warnings:
        screen.warn(warning)
