"""Tenants through the handlers, over a store and without an exchange."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from trunkline.app.cli import app
from trunkline.app.handlers import StoreHandlers
from trunkline.base.message_codec import Message
from trunkline.base.messages import (
    AddDomain,
    AddExtension,
    AddTenant,
    ExplainNumber,
    ListExtensions,
    ListTenants,
    Refused,
    RemoveDomain,
    RemoveTenant,
    Request,
)
from trunkline.store import Store

DOMAIN = "pbx.test"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def handlers(store: Store) -> StoreHandlers:
    return StoreHandlers(store, DOMAIN)


def ask(handlers: StoreHandlers, request: Request[Any]) -> Any:
    async def answered() -> Message:
        return await handlers.handle(request)

    return asyncio.run(answered())


def refusal(handlers: StoreHandlers, request: Request[Any]) -> Refused:
    with pytest.raises(Refused) as caught:
        ask(handlers, request)
    return caught.value


def test_a_tenant_is_added_listed_and_removed(handlers: StoreHandlers) -> None:
    added = ask(handlers, AddTenant(name="acme", domains=("ACME.example", "pbx.acme.example")))
    assert added.row.domains == ("acme.example", "pbx.acme.example")
    assert added.row.realm == "acme.example"
    rows = ask(handlers, ListTenants()).rows
    assert [(row.name, row.realm, row.extensions) for row in rows] == [
        ("acme", "acme.example", 0), ("default", DOMAIN, 0),
    ]  # fmt: skip
    assert ask(handlers, RemoveTenant(name="acme")).extensions == 0
    assert [row.name for row in ask(handlers, ListTenants()).rows] == ["default"]


def test_lists_of_tenants_come_in_pages(handlers: StoreHandlers) -> None:
    for name in ("a", "b", "c"):
        ask(handlers, AddTenant(name=name))
    first = ask(handlers, ListTenants(limit=2))
    assert ([row.name for row in first.rows], first.next) == (["a", "b"], "b")
    rest = ask(handlers, ListTenants(limit=2, after="b"))
    assert ([row.name for row in rest.rows], rest.next) == (["c", "default"], None)


def test_the_first_tenant_without_a_domain_is_warned_of_when_the_second_comes(
    handlers: StoreHandlers,
) -> None:
    (warning,) = ask(handlers, AddTenant(name="acme", domains=("acme.example",))).warnings
    assert "tenant default has no domain of its own" in warning
    assert DOMAIN in warning
    assert "trunkline tenant domain add default DOMAIN" in warning
    assert ask(handlers, AddDomain(name="default", domain="home.example")).warnings == ()


def test_a_tenant_that_no_domain_leads_to_is_warned_of(handlers: StoreHandlers) -> None:
    ask(handlers, AddDomain(name="default", domain="home.example"))
    (warning,) = ask(handlers, AddTenant(name="acme")).warnings
    assert warning == (
        "tenant acme has no domain: no phone can reach it; next: trunkline tenant domain add acme DOMAIN"
    )


def test_the_configured_domain_may_be_given_to_another_tenant(handlers: StoreHandlers) -> None:
    (warning,) = ask(handlers, AddTenant(name="acme", domains=(DOMAIN,))).warnings
    assert warning.startswith("tenant default has no domain: no phone can reach it")


def test_a_domain_belongs_to_one_tenant_and_the_refusal_names_it(handlers: StoreHandlers) -> None:
    ask(handlers, AddTenant(name="acme", domains=("acme.example",)))
    for request in (
        AddTenant(name="other", domains=("ACME.example.",)),
        AddDomain(name="default", domain="acme.example"),
    ):
        problem = refusal(handlers, request).problem
        assert (problem.code, problem.status) == ("domain.taken", 409)
        assert "belongs to tenant acme" in problem.detail
    assert [row.name for row in ask(handlers, ListTenants()).rows] == ["acme", "default"]


@pytest.mark.parametrize(
    "domain",
    [
        "",
        "a b",
        "host:5060",
        "user@host",
        "-x.example",
        "x..example",
        "bücher.example",
        "::1",
        "[::1",
        "x" * 64,
    ],
)
def test_what_can_be_no_domain_is_refused(handlers: StoreHandlers, domain: str) -> None:
    problem = refusal(handlers, AddTenant(name="acme", domains=(domain,))).problem
    assert problem.code == "domain.invalid"
    assert "expected a host name or address" in problem.detail


@pytest.mark.parametrize(
    "domain", ["a.example", "192.0.2.1", "[2001:db8::1]", "my_host", "xn--bcher-kva.example"]
)
def test_what_can_be_a_domain_is_taken(handlers: StoreHandlers, domain: str) -> None:
    assert ask(handlers, AddTenant(name="acme", domains=(domain,))).row.domains == (domain,)


@pytest.mark.parametrize("name", ["", " acme", "--yes", "a\nb", "x" * 65])
def test_what_can_be_no_name_is_refused(handlers: StoreHandlers, name: str) -> None:
    assert refusal(handlers, AddTenant(name=name)).problem.code == "tenant.invalid"


def test_two_tenants_cannot_differ_by_case_alone(handlers: StoreHandlers) -> None:
    ask(handlers, AddTenant(name="Acme"))
    assert refusal(handlers, AddTenant(name="acme")).problem.code == "tenant.exists"


def test_an_unknown_tenant_is_refused_with_near_matches(handlers: StoreHandlers) -> None:
    ask(handlers, AddTenant(name="acme"))
    problem = refusal(handlers, ListExtensions(tenant="acmee")).problem
    assert (problem.code, problem.status, problem.hint) == ("tenant.unknown", 404, "did you mean acme?")
    assert refusal(handlers, ListExtensions(tenant="ACME")).problem.hint == "did you mean acme?"
    assert "trunkline tenant list" in refusal(handlers, ListExtensions(tenant="zzz")).problem.hint


def test_the_tenant_that_is_meant_without_a_name_is_the_default_one(handlers: StoreHandlers) -> None:
    ask(handlers, AddTenant(name="aaa"))  # which comes first by name
    ask(handlers, AddExtension(number="1001"))
    assert [row.number for row in ask(handlers, ListExtensions(tenant="default")).rows] == ["1001"]
    assert ask(handlers, ListExtensions(tenant="aaa")).rows == ()


def test_the_default_tenant_stays(handlers: StoreHandlers) -> None:
    ask(handlers, AddTenant(name="acme"))
    assert refusal(handlers, RemoveTenant(name="default", force=True)).problem.code == "tenant.default"


def test_a_tenant_with_extensions_is_removed_only_by_force(handlers: StoreHandlers) -> None:
    ask(handlers, AddTenant(name="acme"))
    ask(handlers, AddExtension(tenant="acme", number="1001"))
    problem = refusal(handlers, RemoveTenant(name="acme")).problem
    assert (problem.code, problem.status) == ("tenant.has_extensions", 409)
    assert "--yes" in problem.hint
    assert ask(handlers, RemoveTenant(name="acme", force=True)).extensions == 1
    assert refusal(handlers, ListExtensions(tenant="acme")).problem.code == "tenant.unknown"


def test_a_domain_is_taken_away_from_its_owner_alone(handlers: StoreHandlers) -> None:
    ask(handlers, AddTenant(name="acme", domains=("acme.example",)))
    problem = refusal(handlers, RemoveDomain(name="default", domain="acme.example")).problem
    assert (problem.code, problem.hint) == ("domain.unknown", "it belongs to tenant acme")
    assert ask(handlers, RemoveDomain(name="acme", domain="ACME.example")).row.domains == ()


def test_a_dry_run_knows_the_extensions_of_its_tenant_alone(handlers: StoreHandlers) -> None:
    ask(handlers, AddTenant(name="acme"))
    ask(handlers, AddExtension(number="1001"))
    ask(handlers, AddExtension(number="1002"))
    ask(handlers, AddExtension(tenant="acme", number="1001"))
    assert ask(handlers, ExplainNumber(number="1002", caller="1001")).outcome != "route.unknown"
    assert ask(handlers, ExplainNumber(tenant="acme", number="1002", caller="1001")).status == 404


# The commands


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRUNKLINE_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("TRUNKLINE_TENANT", raising=False)
    return tmp_path / "data"


def run(*arguments: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), env=env)


def test_commands_work_on_the_tenant_that_is_named(data: Path) -> None:
    result = run("tenant", "add", "acme", "--domain", "acme.example")
    assert (result.exit_code, result.stdout) == (0, "tenant acme added; realm acme.example\n")
    assert "warning: tenant default has no domain of its own" in result.stderr
    assert run("extension", "add", "1001", "--tenant", "acme").exit_code == 0
    assert json.loads(run("extension", "list", "--json").stdout) == []
    assert [
        row["number"] for row in json.loads(run("extension", "list", "--tenant", "acme", "--json").stdout)
    ] == ["1001"]
    by_environment = run("extension", "list", "--json", env={"TRUNKLINE_TENANT": "acme"})
    assert [row["number"] for row in json.loads(by_environment.stdout)] == ["1001"]
    listed = run("tenant", "list").stdout.splitlines()
    assert listed[0].split() == ["TENANT", "DOMAINS", "REALM", "EXTENSIONS"]
    assert listed[1].split() == ["acme", "acme.example", "acme.example", "1"]


def test_commands_say_that_a_tenant_is_unknown(data: Path) -> None:
    assert run("tenant", "add", "acme").exit_code == 0
    for command in (
        ["extension", "list"],
        ["records"],
        ["extension", "add", "7"],
        ["explain", "1", "--from", "2"],
    ):
        result = run(*command, "--tenant", "acne")
        assert result.exit_code == 1
        assert result.stderr == "error: there is no tenant acne\ndid you mean acme?\n"


def test_domains_and_removal_by_command(data: Path) -> None:
    run("tenant", "add", "acme")
    changed = json.loads(run("tenant", "domain", "add", "acme", "a.example", "--json").stdout)
    assert (changed["domains"], changed["realm"]) == (["a.example"], "a.example")
    assert run("tenant", "domain", "remove", "acme", "b.example").exit_code == 1
    assert "realm a.example" not in run("tenant", "domain", "remove", "acme", "a.example").stdout
    run("extension", "add", "1001", "--tenant", "acme")
    assert run("tenant", "remove", "acme").exit_code == 1
    gone = json.loads(run("tenant", "remove", "acme", "--yes", "--json").stdout)
    assert gone == {"name": "acme", "extensions": 1, "bindings": 0, "calls": 0}
