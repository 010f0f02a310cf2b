"""What becomes of an extension's apps when it, its password or its tenant changes while the exchange runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trunkline.app.addresses import host_addresses
from trunkline.app.exchange import Exchange
from trunkline.app.handlers import ExchangeHandlers
from trunkline.app.settings import Settings
from trunkline.app.settings.file import complete
from trunkline.base.messages import (
    AddExtension,
    AddTenant,
    Refused,
    RemoveExtension,
    RemoveTenant,
    SetExtension,
)
from trunkline.base.messages.devices import GetDevice, Heartbeat, PushTarget, RegisterDevice, SipAccount
from trunkline.store import Store

SETTINGS = {
    "domain": "pbx.test",
    "sip": {"listen": ["udp:127.0.0.1:0"]},
    "metrics": {"listen": "off"},
    "api": {"listen": "127.0.0.1:0"},
}
OLD, NEW = "two-green-stools-44", "five-red-lamps-18"


async def test_apps_go_with_their_extension_its_password_and_its_tenant(tmp_path: Path) -> None:
    with Store.open(tmp_path / "data") as store:
        settings = complete(Settings.model_validate(SETTINGS), host_addresses())
        exchange = Exchange(settings, store, tmp_path / "data")
        await exchange.start()
        try:
            await _change(exchange, ExchangeHandlers(store, "pbx.test", exchange, {}))
        finally:
            await exchange.stop(0)


async def _change(exchange: Exchange, handlers: Any) -> None:
    tenant = (await handlers.handle(AddTenant(name="acme", domains=("acme.test",)))).row.id
    await handlers.handle(AddExtension(tenant="acme", number="1001", password=OLD))
    devices, events = exchange.mobile.devices, exchange.mobile.events

    async def register(password: str) -> str:
        push = PushTarget("voip", "ab" * 32)
        account = SipAccount("1001", "acme.test", password)
        ask = RegisterDevice(owner="anna", platform="ios", push=push, account=account)
        return (await devices.register(tenant, ask)).device_id

    device = await register(OLD)
    assert [one.label for one in exchange.mobile.targets(tenant, "1001")] == [f"app {device[-8:]}"]
    assert (await devices.get(tenant, GetDevice(device_id=device))).device.sip_status == "registered"
    await handlers.handle(SetExtension(tenant="acme", number="1001", name="Anna"))
    assert exchange.mobile.targets(tenant, "1001"), "another name changes nothing"
    await handlers.handle(SetExtension(tenant="acme", number="1001", password=NEW))
    assert exchange.mobile.targets(tenant, "1001") == []
    with pytest.raises(Refused, match="not active"):
        await devices.heartbeat(tenant, Heartbeat(device_id=device))
    with pytest.raises(Refused):
        await register(OLD)
    assert await register(NEW) == device
    assert exchange.mobile.targets(tenant, "1001")

    await handlers.handle(RemoveExtension(tenant="acme", number="1001"))
    with pytest.raises(Refused, match="no such device"):
        await devices.get(tenant, GetDevice(device_id=device))

    listener = events.subscribe(tenant, "anna")
    await handlers.handle(RemoveTenant(name="acme"))
    assert [event async for event in listener] == []
    assert listener.why == "the tenant was removed"
