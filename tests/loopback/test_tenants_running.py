"""Tenants that come, change and go while the exchange runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from trunkline.app.addresses import host_addresses
from trunkline.app.exchange import Exchange
from trunkline.app.handlers import ExchangeHandlers
from trunkline.app.settings import Settings
from trunkline.app.settings.file import complete
from trunkline.base.messages import (
    AddDomain,
    AddExtension,
    AddTenant,
    ExplainCall,
    HangUp,
    ListExtensions,
    ListRegistrations,
    Refused,
    RemoveDomain,
    RemoveRegistrations,
    RemoveTenant,
    SetTenant,
    Status,
)
from trunkline.model.binding import Binding
from trunkline.model.tenant import SystemScope
from trunkline.proto.sip.digest import ha1
from trunkline.store import Store

SETTINGS = {"domain": "pbx.test", "sip": {"listen": ["udp:127.0.0.1:0"]}, "metrics": {"listen": "off"}}


class Running:
    """A started exchange with its handlers."""

    def __init__(self, store: Store, exchange: Exchange) -> None:
        self.store, self.exchange = store, exchange
        self.handlers = ExchangeHandlers(store, "pbx.test", exchange, {})

    async def ask(self, request: Any) -> Any:
        return await self.handlers.handle(request)

    async def register(self, tenant: str, number: str) -> None:
        """As if a phone had registered."""
        now = self.exchange.wall()
        binding = Binding(
            tenant=tenant, user=number, id=f"{tenant}-{number}", contact=f"sip:{number}@127.0.0.1:9",
            flow="0|udp|127.0.0.1:9", received="127.0.0.1:9", call_id="c", cseq=1, registered_at=now,
            expires_at=now + 600, q=1000, instance=None, reg_id=0, path="", user_agent="",
        )  # fmt: skip
        self.exchange.location.add(binding)
        await self.exchange.journal.new(binding)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    with Store.open(tmp_path / "data") as store:
        settings = complete(Settings.model_validate(SETTINGS), host_addresses())
        exchange = Exchange(settings, store, tmp_path / "data")
        await exchange.start()
        try:
            yield Running(store, exchange)
        finally:
            await exchange.stop(0)


async def test_a_new_tenant_is_there_at_once(running: Running) -> None:
    directory = running.exchange.directory
    assert directory.tenant_of("10.1.2.3") is not None  # the only tenant answers to everything
    row = (await running.ask(AddTenant(name="acme", domains=("acme.test",)))).row
    await running.ask(AddExtension(tenant="acme", number="1001", password="secret of acme"))
    assert directory.tenant_of("acme.test") == row.id
    assert directory.tenant_of("10.1.2.3") is None
    assert directory.tenant_of("pbx.test") not in {None, row.id}
    lookup = directory.credentials(row.id)
    assert lookup("1001", "acme.test", "MD5") == ha1("1001", "acme.test", "secret of acme", "MD5")


async def test_a_new_realm_keeps_every_password(running: Running) -> None:
    key = (await running.ask(AddTenant(name="acme", domains=("a.test", "b.test")))).row.id
    for number in ("1001", "1002"):
        await running.ask(AddExtension(tenant="acme", number=number, password=f"secret of {number}"))
    await running.ask(RemoveDomain(name="acme", domain="a.test"))
    directory = running.exchange.directory
    assert directory.realm_of(key) == "b.test"
    assert directory.tenant_of("a.test") is None
    for number in ("1001", "1002"):
        expected = ha1(number, "b.test", f"secret of {number}", "SHA-256")
        assert directory.credentials(key)(number, "b.test", "SHA-256") == expected
    await running.ask(AddDomain(name="acme", domain="a.test"))
    assert directory.tenant_of("a.test") == key


@pytest.mark.rule("T-32")
async def test_a_realm_of_its_own_holds_whatever_becomes_of_the_domains(running: Running) -> None:
    added = await running.ask(AddTenant(name="acme", domains=("a.test", "b.test"), realm="Acme"))
    await running.ask(AddExtension(tenant="acme", number="1001", password="secret of 1001"))
    lookup = running.exchange.directory.credentials
    assert lookup(added.row.id)("1001", "Acme", "MD5") == ha1("1001", "Acme", "secret of 1001", "MD5")
    assert (await running.ask(RemoveDomain(name="acme", domain="a.test"))).row.realm == "Acme"
    assert (await running.ask(SetTenant(name="acme", realm=""))).row.realm == "b.test"
    assert lookup(added.row.id)("1001", "b.test", "MD5") == ha1("1001", "b.test", "secret of 1001", "MD5")
    with pytest.raises(Refused, match="without quotes"):
        await running.ask(SetTenant(name="acme", realm='a"b'))


async def test_a_removed_tenant_takes_its_registrations_along(running: Running) -> None:
    key = (await running.ask(AddTenant(name="acme", domains=("acme.test",)))).row.id
    await running.ask(AddExtension(tenant="acme", number="1001"))
    await running.ask(AddExtension(number="1001"))
    (own,) = (one.id for one in running.store.tenants.list(SystemScope("test")) if one.id != key)
    await running.register(key, "1001")
    await running.register(own, "1001")
    with pytest.raises(Refused, match="has 1 extensions"):
        await running.ask(RemoveTenant(name="acme"))
    gone = await running.ask(RemoveTenant(name="acme", force=True))
    assert (gone.extensions, gone.bindings, gone.calls) == (1, 1, 0)
    directory = running.exchange.directory
    assert directory.tenant_of("acme.test") == own  # the only one left
    assert directory.realm_of(key) == ""
    assert [one.tenant for one in running.exchange.location] == [own]
    kept = running.store.bindings.load_all(SystemScope("test"))
    assert [one.tenant for one in kept] == [own]


async def test_status_and_lists_can_be_of_one_tenant(running: Running) -> None:
    key = (await running.ask(AddTenant(name="acme", domains=("acme.test",)))).row.id
    await running.ask(AddExtension(tenant="acme", number="1001"))
    await running.register(key, "1001")
    for number in ("1001", "1002"):
        await running.ask(AddExtension(number=number))
    assert (await running.ask(Status())).extensions == 3
    state = await running.ask(Status(tenant="acme"))
    assert (state.tenant, state.domain, state.extensions, state.registrations) == ("acme", "acme.test", 1, 1)
    assert len((await running.ask(ListRegistrations(tenant="acme"))).rows) == 1
    assert (await running.ask(ListRegistrations())).rows == ()
    assert len((await running.ask(ListExtensions())).rows) == 2


class Up:
    """A call that is up, as far as commands see it."""

    def __init__(self, tenant: str, name: str) -> None:
        leg = SimpleNamespace(done=False, outcome=SimpleNamespace(sip_call_id=f"{name}@phone"))
        self.id, self.tenant, self.legs = name, tenant, [leg]
        self.ended = ""

    def tell(self, code: str, text: str) -> None:
        pass

    def hang_up(self, *, code: str) -> None:
        self.ended = code


async def test_commands_do_not_reach_into_calls_of_another_tenant(running: Running) -> None:
    key = (await running.ask(AddTenant(name="acme", domains=("acme.test",)))).row.id
    call: Any = Up(key, "0199-of-acme")
    running.exchange.calls.active[call.id] = call
    for name in (call.id, "0199-", "0199-of-acme@phone"):
        for request in (HangUp(call=name), ExplainCall(call=name)):
            with pytest.raises(Refused) as caught:
                await running.ask(request)
            assert caught.value.problem.code == "call.unknown"
    assert call.ended == ""
    assert (await running.ask(HangUp(tenant="acme", call="0199-"))).call == call.id
    assert call.ended == "call.hung_up_by_operator"
    del running.exchange.calls.active[call.id]


@pytest.mark.rule("T-30")
async def test_an_operator_ends_registrations_of_one_number_or_of_all(running: Running) -> None:
    key = (await running.ask(AddTenant(name="acme", domains=("acme.test",)))).row.id
    own = next(one.id for one in running.store.tenants.list(SystemScope("test")) if one.id != key)
    told: list[tuple[str, str]] = []
    running.exchange.location.watchers.append(lambda binding, event: told.append((binding.user, event)))
    for tenant, number in ((own, "1001"), (own, "1002"), (own, "1003"), (key, "1001")):
        await running.register(tenant, number)
    told.clear()
    assert (await running.ask(RemoveRegistrations(number="1001"))).removed == 1
    with pytest.raises(Refused, match="1001 is not registered"):
        await running.ask(RemoveRegistrations(number="1001"))
    with pytest.raises(Refused, match="all extensions of the tenant"):
        await running.ask(RemoveRegistrations())
    gone = await running.ask(RemoveRegistrations(force=True))
    assert (gone.removed, gone.numbers) == (2, ("1002", "1003"))
    assert told == [(number, "deactivated") for number in ("1001", "1002", "1003")]
    assert [one.tenant for one in running.exchange.location] == [key]
    assert [one.tenant for one in running.store.bindings.load_all(SystemScope("test"))] == [key]
