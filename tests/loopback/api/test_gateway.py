"""The API with the real mobile plane behind it: users and tenants against each other."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.unit.api.test_tenancy import DOCUMENT, OPEN, OPERATIONS, Ids, body_of
from trunkline.api.principal import Principal
from trunkline.api.server import ApiServer
from trunkline.app.addresses import host_addresses
from trunkline.app.api_plane import api_server
from trunkline.app.exchange import Exchange
from trunkline.app.handlers import ExchangeHandlers
from trunkline.app.settings import Settings
from trunkline.app.settings.file import complete
from trunkline.base.messages import AddExtension, AddTenant
from trunkline.store import Store

SETTINGS = {
    "domain": "pbx.test",
    "sip": {"listen": ["udp:127.0.0.1:0"]},
    "metrics": {"listen": "off"},
    "api": {"listen": "127.0.0.1:0"},
    "auth": {"secret": "0123456789abcdef0123456789abcdef"},
}
SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"
PASSWORD = "a secret of 1001"


@dataclass
class Gateway:
    """An exchange with two tenants and the API before it."""

    api: ApiServer
    acme: str
    beta: str

    async def ask(self, who: tuple[str, str], method: str, path: str, body: Any = None) -> tuple[int, str]:
        """Status and body of a request in the name of (tenant, user)."""
        kind = "app" if who[1].startswith("sip:") else "backend"  # only an app that has proven it is one
        token = self.api.doorway.auth.mint(Principal(*who, kind=kind))
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        url = f"http://127.0.0.1:{self.api.port}{path}"
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as client,
            client.request(method, url, json=body, headers=headers) as reply,
        ):
            return reply.status, await reply.text()


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    with Store.open(tmp_path / "data") as store:
        settings = complete(Settings.model_validate(SETTINGS), host_addresses())
        exchange = Exchange(settings, store, tmp_path / "data")
        await exchange.start()
        api = api_server(settings, exchange, store)
        assert api is not None
        handlers = ExchangeHandlers(store, "pbx.test", exchange, {})
        try:
            ids = []
            for name in ("acme", "beta"):
                added: Any = await handlers.handle(AddTenant(name=name, domains=(f"{name}.test",)))
                await handlers.handle(AddExtension(tenant=name, number="1001", password=PASSWORD))
                ids.append(added.row.id)
            await api.start()
            yield Gateway(api, *ids)
        finally:
            await api.stop()
            await exchange.stop(0)


async def at_home(gateway: Gateway) -> Ids:
    """Bob of acme has a device and has placed a call."""
    bob = gateway.acme, "bob"
    device = {
        "platform": "ios",
        "push_token": "ab" * 32,
        "sip_username": "1001",
        "sip_password": PASSWORD,
        "sip_domain": "acme.test",
    }
    status, text = await gateway.ask(bob, "POST", "/v1/devices", device)
    assert status == 200, text
    made = json.loads(text)["device_id"]
    call = {"destination_uri": "1002", "sdp_offer": SDP, "device_id": made, "async": True}
    status, text = await gateway.ask(bob, "POST", "/v1/calls", call)
    assert status == 202, text
    return Ids(made, json.loads(text)["call_token"])


@pytest.mark.scenario(15)
async def test_users_and_tenants_cannot_reach_what_is_anothers(gateway: Gateway) -> None:
    theirs = await at_home(gateway)
    before = await gateway.ask((gateway.acme, "bob"), "GET", f"/v1/devices/{theirs.device_id}")
    assert before[0] == 200
    for attacker in ((gateway.acme, "mallory"), (gateway.beta, "bob"), (gateway.beta, "sip:1001@acme.test")):
        for method, path in OPERATIONS:
            nobodys = Ids(str(uuid.uuid4()), str(uuid.uuid4()))
            told = await attack(gateway, attacker, method, path, theirs)
            assert told == await attack(gateway, attacker, method, path, nobodys) or path in OPEN, path
            assert not any(secret in told[1] for secret in (*vars(theirs).values(), "acme.test", PASSWORD))
    assert await gateway.ask((gateway.acme, "bob"), "GET", f"/v1/devices/{theirs.device_id}") == before
    status, text = await gateway.ask((gateway.acme, "bob"), "GET", f"/v1/calls/{theirs.call_token}/status")
    assert (status, json.loads(text)["status"] == "unknown") == (200, False)


async def attack(
    gateway: Gateway, attacker: tuple[str, str], method: str, path: str, ids: Ids
) -> tuple[int, str]:
    operation = DOCUMENT["paths"][path][method]
    where = path.format(**vars(ids))
    if any(each["name"] == "device_id" and each["in"] == "query" for each in operation.get("parameters", [])):
        where += f"?device_id={ids.device_id}"
    if path == "/v1/events/ticket":
        return 200, ""  # a ticket of its own, another each time
    return await gateway.ask(attacker, method.upper(), where, body_of(operation, ids))


@pytest.mark.scenario(15)
async def test_a_proven_extension_gets_a_token_for_itself_alone(gateway: Gateway) -> None:
    account = {"sip_username": "1001", "sip_domain": "acme.test", "sip_password": PASSWORD}
    status, text = await gateway.ask((gateway.beta, "x"), "POST", "/v1/auth/token", account)
    assert status == 200, text
    principal = await gateway.api.doorway.auth.by_token(json.loads(text)["token"], "192.0.2.1")
    assert principal == Principal(gateway.acme, "sip:1001@acme.test", "app")
    wrong = {**account, "sip_password": "wrong"}
    assert (await gateway.ask((gateway.beta, "x"), "POST", "/v1/auth/token", wrong))[0] == 401


async def test_a_device_key_gets_a_token_for_the_owner(gateway: Gateway) -> None:
    device = {
        "platform": "ios",
        "push_token": "ab" * 32,
        "sip_username": "1001",
        "sip_password": PASSWORD,
        "sip_domain": "acme.test",
        "want_device_key": True,
    }
    _, text = await gateway.ask((gateway.acme, "bob"), "POST", "/v1/devices", device)
    made = json.loads(text)
    proof = {name: made[name] for name in ("device_id", "device_key")}
    status, text = await gateway.ask(
        (gateway.beta, "x"), "POST", "/v1/auth/token", {**proof, "tenant": gateway.acme}
    )
    assert status == 200, text
    principal = await gateway.api.doorway.auth.by_token(json.loads(text)["token"], "192.0.2.1")
    assert principal == Principal(gateway.acme, "bob", "app")
    for wrong in ({"tenant": gateway.beta}, {}, {"tenant": gateway.acme, "device_key": "x" * 43}):
        status, _ = await gateway.ask((gateway.beta, "x"), "POST", "/v1/auth/token", {**proof, **wrong})
        assert status == 401
