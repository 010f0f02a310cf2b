"""No call of one tenant reads or writes rows of another; no call goes without a scope.

All public methods of all repositories are found by introspection: a new one without a scope, or without a
sample here, turns these tests red.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Any, get_args, get_type_hints

import pytest
from sqlalchemy import select

from tests.unit.store.samples import (
    SYSTEM,
    a_binding,
    a_client_registration,
    a_kept_call,
    a_mobile_account,
    a_mobile_call,
    a_mobile_device,
    a_record,
    a_text,
)
from trunkline.model.extension import NewExtension
from trunkline.model.tenant import SystemScope, TenantScope
from trunkline.store import Store
from trunkline.store.errors import NotFoundError, ScopeError
from trunkline.store.mobile_rows import (
    UPSERT_MOBILE_ACCOUNT,
    UPSERT_MOBILE_CALL,
    UPSERT_MOBILE_DEVICE,
    mobile_account_row,
    mobile_call_row,
    mobile_device_row,
)
from trunkline.store.repository import Repository
from trunkline.store.rows import (
    INSERT_TEXT,
    UPSERT_CALL,
    UPSERT_CLIENT_REGISTRATION,
    call_row,
    client_registration_row,
    text_row,
)
from trunkline.store.tables import metadata

REPOSITORIES: dict[str, type[Repository]] = {kind.__name__: kind for kind in Repository.__subclasses__()}
METHODS: list[str] = [
    f"{name}.{method}"
    for name, kind in sorted(REPOSITORIES.items())
    for method, _ in inspect.getmembers(kind, inspect.isfunction)
    if not method.startswith("_")
]


_SEES_NOTHING = (
    ".load_all",
    ".find",
    ".delete_many",
    ".delete_expired",
    ".delete_recorded",
    ".load_recorded",
    ".purge",
    ".remove_domain",
)


class World:
    """A store in which the other tenant owns one of everything."""

    def __init__(self, store: Store, mine: TenantScope, other: TenantScope) -> None:
        self.store, self.mine, self.other = store, mine, other
        self.binding = a_binding(other.tenant)
        self.record = a_record(other.tenant)
        store.extensions.add(other, NewExtension("zulu", "theirs"))
        store.bindings.upsert_many(SYSTEM, [self.binding])
        store.records.append_many(SYSTEM, [self.record])
        self._keep_calls(store)
        self._keep_devices(store)

    def _keep_calls(self, store: Store) -> None:
        """Two calls in progress, one of which has its record already."""
        kept = (a_kept_call(self.other.tenant), a_kept_call(self.other.tenant, id=self.record.call))
        with store.database.writing() as connection:
            connection.exec_driver_sql(UPSERT_CALL.sql, [call_row(one, store.box) for one in kept])
            elsewhere = client_registration_row(a_client_registration(self.other.tenant))
            connection.exec_driver_sql(UPSERT_CLIENT_REGISTRATION.sql, elsewhere)
            connection.exec_driver_sql(INSERT_TEXT.sql, text_row(a_text(self.other.tenant)))

    def _keep_devices(self, store: Store) -> None:
        """A device with its account, a call of it, and the key of its backend."""
        owner = self.other.tenant
        with store.database.writing() as connection:
            account, device = (
                mobile_account_row(a_mobile_account(owner)),
                mobile_device_row(a_mobile_device(owner), store.box),
            )
            connection.exec_driver_sql(UPSERT_MOBILE_ACCOUNT.sql, account)
            connection.exec_driver_sql(UPSERT_MOBILE_DEVICE.sql, device)
            call = mobile_call_row(a_mobile_call(owner), store.box)
            connection.exec_driver_sql(UPSERT_MOBILE_CALL.sql, call)
        store.api_keys.set(self.other, "ab" * 32)

    def call(self, method: str, scope: Any) -> Any:
        """The sample call of that method, aimed at what the other tenant owns."""
        kind, _, name = method.partition(".")
        (repository,) = (part for part in vars(self.store).values() if type(part).__name__ == kind)
        return getattr(repository, name)(scope, *SAMPLES[method](self), **OPTIONS.get(method, {}))

    def rows_of_the_other(self) -> list[Any]:
        """Everything that the other tenant owns, as it is stored."""
        with self.store.database.reading() as connection:
            return [
                tuple(row)
                for table in metadata.sorted_tables
                for row in connection.execute(
                    select(table).where(table.c.get("tenant_id", table.c.id) == self.other.tenant)
                )
            ]


SAMPLES: dict[str, Callable[[World], tuple[Any, ...]]] = {
    "ApiKeys.load_all": lambda _: (),
    "ApiKeys.remove": lambda _: (),
    "ApiKeys.set": lambda _: ("cd" * 32,),
    "Bindings.delete_expired": lambda world: (world.binding.expires_at + 1,),
    "Bindings.delete_many": lambda world: ([world.binding.id],),
    "Bindings.load_all": lambda _: (),
    "Bindings.upsert_many": lambda world: ([a_binding(world.other.tenant, id=world.binding.id, cseq=99)],),
    "CallRecords.append_many": lambda world: ([a_record(world.other.tenant)],),
    "CallRecords.find": lambda world: (world.record.call,),
    "CallRecords.list": lambda _: (),
    "CallRecords.purge": lambda world: (world.record.ended_at + 1,),
    "ClientRegistrations.load_all": lambda _: (),
    "Directory.domains": lambda _: (),
    "Directory.tenant_of": lambda _: ("other.example",),
    "Extensions.add": lambda _: (NewExtension("3001"),),
    "Extensions.get": lambda _: ("zulu",),
    "Extensions.import_many": lambda _: ([NewExtension("3001"), NewExtension("3002")],),
    "Extensions.list": lambda _: (),
    "Extensions.page": lambda _: (),
    "Extensions.present": lambda _: (["zulu"],),
    "Extensions.remove": lambda _: ("zulu",),
    "Extensions.set": lambda _: ("zulu",),
    "Extensions.some": lambda _: (["zulu"],),
    "KeptCalls.delete_recorded": lambda _: (1,),
    "KeptCalls.load_all": lambda _: (1,),
    "KeptCalls.load_recorded": lambda _: (1,),
    "KeptTexts.load_all": lambda _: (),
    "MobileAccounts.load_all": lambda _: (),
    "MobileCalls.load_all": lambda _: (),
    "MobileDevices.load_all": lambda _: (),
    "Tenants.add": lambda _: ("third",),
    "Tenants.add_domain": lambda _: ("another.example",),
    "Tenants.set_realm": lambda _: ("another realm",),
    "Tenants.get": lambda _: ("other",),
    "Tenants.list": lambda _: (),
    "Tenants.remove": lambda world: (world.other.tenant,),
    "Tenants.remove_domain": lambda _: ("other.example",),
    "Tenants.sizes": lambda _: (),
}


OPTIONS: dict[str, dict[str, Any]] = {"Extensions.page": {"limit": 10}}


def scopes_of(method: str) -> set[type]:
    kind, _, name = method.partition(".")
    function = getattr(REPOSITORIES[kind], name)
    second = list(inspect.signature(function).parameters)[1]
    hint = get_type_hints(function)[second]
    return set(get_args(hint) or (hint,))


FOR_TENANTS = [method for method in METHODS if TenantScope in scopes_of(method)]
FOR_THE_SYSTEM = [method for method in METHODS if SystemScope in scopes_of(method)]


@pytest.fixture
def world(store: Store, mine: TenantScope, other: TenantScope) -> World:
    return World(store, mine, other)


def test_every_repository_and_every_method_is_known_here(store: Store) -> None:
    assert set(METHODS) == set(SAMPLES)
    held = {type(part).__name__ for part in vars(store).values() if isinstance(part, Repository)}
    assert held == set(REPOSITORIES)


@pytest.mark.parametrize("method", METHODS)
def test_the_first_argument_is_a_scope(method: str) -> None:
    assert scopes_of(method)
    assert scopes_of(method) <= {TenantScope, SystemScope}


@pytest.mark.parametrize("method", METHODS)
def test_a_call_without_a_scope_is_refused(world: World, method: str) -> None:
    before = world.rows_of_the_other()
    with pytest.raises(ScopeError):
        world.call(method, None)
    assert world.rows_of_the_other() == before


@pytest.mark.parametrize("method", sorted(set(METHODS) - set(FOR_TENANTS)))
def test_what_concerns_all_tenants_is_refused_to_one(world: World, method: str) -> None:
    with pytest.raises(ScopeError):
        world.call(method, world.mine)


@pytest.mark.parametrize("method", sorted(set(METHODS) - set(FOR_THE_SYSTEM)))
def test_what_needs_an_owner_is_refused_to_the_system(world: World, method: str) -> None:
    with pytest.raises(ScopeError):
        world.call(method, SYSTEM)


@pytest.mark.parametrize("method", FOR_TENANTS)
def test_a_tenant_neither_sees_nor_changes_what_is_anothers(world: World, method: str) -> None:
    before = world.rows_of_the_other()
    seen: Any = None
    with suppress(NotFoundError, ScopeError):
        seen = world.call(method, world.mine)
    assert world.rows_of_the_other() == before
    assert world.other.tenant not in repr(seen)
    assert "zulu" not in repr(seen)
    if method.endswith(_SEES_NOTHING):
        assert not seen


@pytest.mark.parametrize("method", FOR_TENANTS)
def test_the_sample_call_reaches_its_target_under_the_owners_scope(world: World, method: str) -> None:
    before = world.rows_of_the_other()
    seen = world.call(method, world.other)
    assert seen or world.rows_of_the_other() != before, "this sample proves nothing"
