"""A running exchange and a phone with a SIP stack of its own that sleeps (RFC 8599), over real connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.loopback.net.kit import DEADLINE_S, Peer
from tests.loopback.raw_phone import OFFER, RawPhone
from trunkline.app.addresses import host_addresses
from trunkline.app.exchange import Exchange
from trunkline.app.handlers import ExchangeHandlers
from trunkline.app.native_push import NativePush
from trunkline.app.settings import Settings
from trunkline.app.settings.file import complete
from trunkline.base.messages import AddExtension, ExplainNumber, ListRegistrations
from trunkline.mobile.push_records import KeptPushRecords
from trunkline.model.tenant import SystemScope
from trunkline.push.notification import Fate, Notification, Outcome, Purpose, Service
from trunkline.store import Store
from trunkline.store.mobile_journal import MobileJournal

SETTINGS = {
    "domain": "pbx.test",
    "sip": {"listen": ["tcp:127.0.0.1:0"]},
    "media": {"address": "127.0.0.1"},
    "metrics": {"listen": "off"},
}
PUSH = ";pn-provider=fcm;pn-param=a-project;pn-prid=a-secret-token"

pytestmark = pytest.mark.scenario(16)


class Office:
    """A running exchange with 1001 and 1002, whose pushes are counted."""

    def __init__(self, store: Store, exchange: Exchange) -> None:
        self.exchange = exchange
        self.peers: list[Peer] = []
        self.pushes: asyncio.Queue[Notification] = asyncio.Queue()
        self.handlers = ExchangeHandlers(store, "pbx.test", exchange, {})
        rows = store.mobile_devices.load_all(SystemScope("a test"))
        self.records = KeptPushRecords(MobileJournal(exchange.writer), rows)
        self.native = NativePush(exchange, self.records, self.send, lambda: frozenset({Service.FCM}))

    async def send(self, notification: Notification) -> Fate:
        self.pushes.put_nowait(notification)
        return Fate(Outcome.SENT, 200)

    async def ask(self, request: Any) -> Any:
        return await self.handlers.handle(request)

    async def phone(self, user: str, push: str = "") -> RawPhone:
        peer = await Peer.connect(self.exchange.net.listeners[0])
        self.peers.append(peer)
        place = "{}:{}".format(*peer.address)
        return RawPhone(peer, user, f"TCP {place}", f"<sip:{user}@{place};transport=tcp{push}>")


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    with Store.open(tmp_path / "data") as store:
        exchange = Exchange(
            complete(Settings.model_validate(SETTINGS), host_addresses()), store, tmp_path / "data"
        )
        made = Office(store, exchange)
        await exchange.start()
        for number in ("1001", "1002"):
            await made.ask(AddExtension(number=number, password=f"secret of {number}"))
        try:
            yield made
        finally:
            for peer in made.peers:
                peer.close()
            made.native.stop()
            await exchange.stop(0)


async def until_lost(office: Office, number: str) -> None:
    """Until the exchange has seen that the connection of a phone is gone."""
    (binding,) = office.exchange.location.of(_tenant(office), number, office.exchange.wall())
    async with asyncio.timeout(DEADLINE_S):
        while office.exchange.net.flow_from_token(binding.flow) is not None:  # noqa: ASYNC110  (nobody is told)
            await asyncio.sleep(0.001)


def _tenant(office: Office) -> str:
    return office.exchange.directory.tenants[0].id


async def test_a_phone_whose_connection_is_gone_is_woken_and_rings(office: Office) -> None:
    phone = await office.phone("1002", PUSH)
    registered = await phone.request("REGISTER", "sip:pbx.test", "Expires: 600\r\n")
    assert registered.headers["Feature-Caps"].startswith('*;+sip.pns="fcm";+sip.pnspurr="')
    (row,) = (await office.ask(ListRegistrations())).rows
    assert (row.number, row.state) == ("1002", "registered")
    told = await office.ask(ExplainNumber(number="1002", caller="1001"))
    assert [step.code for step in told.steps if step.stage == "fork"] == ["fork.flow"]
    office.peers.pop().close()
    await until_lost(office, "1002")
    (row,) = (await office.ask(ListRegistrations())).rows
    assert (row.number, row.state) == ("1002", "asleep")
    assert "a-secret-token" not in row.contact

    caller = await office.phone("1001")
    call = asyncio.create_task(caller.request("INVITE", "sip:1002@pbx.test", body=OFFER))
    async with asyncio.timeout(DEADLINE_S):
        pushed = await office.pushes.get()
    assert (pushed.purpose, pushed.address.token) == (Purpose.CALL, "a-secret-token")
    woken = await office.phone("1002", PUSH)
    await woken.request("REGISTER", "sip:pbx.test", "Expires: 600\r\n")
    invite = await woken.asked("INVITE")
    assert invite.call_id == pushed.data["callId"]
    assert "pn-prid" not in invite.uri
    await woken.answer(invite, 603)
    assert (await call).status == 603
    assert office.pushes.empty()


async def test_an_extension_whose_only_phone_has_expired_is_reachable_and_listed(office: Office) -> None:
    phone = await office.phone("1002", PUSH)
    await phone.request("REGISTER", "sip:pbx.test", "Expires: 600\r\n")
    (binding,) = office.exchange.location.of(_tenant(office), "1002", office.exchange.wall())
    binding.expires_at = 0.0
    office.exchange.chores.sweep_bindings()
    (row,) = (await office.ask(ListRegistrations(number="1002"))).rows
    assert (row.number, row.contact, row.state) == ("1002", "(woken by fcm)", "asleep")
    told = await office.ask(ExplainNumber(number="1002", caller="1001"))
    assert (told.status, told.text) == (0, "the call goes ahead")
    assert {"route.contacts", "fork.asleep"} <= {step.code for step in told.steps}
    assert office.exchange.events.asleep(_tenant(office), "1002") == 1
    office.records.flush_all()
    await office.exchange.writer.drain()
    kept = office.exchange.store.mobile_devices.load_all(SystemScope("a test"))
    assert [(one.user, one.push_token) for one in kept] == [("1002", "a-secret-token")]
    again = KeptPushRecords(MobileJournal(office.exchange.writer), kept)
    assert [one.key for one in again.of(_tenant(office), "1002")] == [("fcm", "a-secret-token", "a-project")]
    office.native.removed(_tenant(office), "")
    assert not office.records.of(_tenant(office), "1002")


async def test_a_reload_changes_how_long_a_call_waits(office: Office) -> None:
    exchange = office.exchange
    sip = {"listen": ["tcp:127.0.0.1:0"], "push": {"contact_timeout_s": 7}}
    changed = Settings.model_validate({**SETTINGS, "sip": sip})
    exchange.take_settings(complete(changed, host_addresses()))
    office.native.take_settings(exchange.settings)
    assert office.native.desk.policy.contact_timeout_s == 7
    before = office.native.desk.registrar
    exchange.policy = replace(exchange.policy, max_expires_s=before.max_expires_s + 1)
    office.native.take_settings(exchange.settings)
    assert office.native.desk.registrar.max_expires_s == before.max_expires_s + 1


async def test_a_reload_ends_and_begins_refresh_pushes_and_the_service_itself(office: Office) -> None:
    exchange, native = office.exchange, office.native
    await (await office.phone("1002", PUSH)).request("REGISTER", "sip:pbx.test", "Expires: 600\r\n")
    seen = [(native.refreshes.watched, bool(native.desk.services))]
    for push in ({"enabled": False}, {"refresh": False}, {}):
        sip = {"listen": ["tcp:127.0.0.1:0"], "push": push}
        exchange.take_settings(complete(Settings.model_validate({**SETTINGS, "sip": sip}), host_addresses()))
        native.take_settings(exchange.settings)
        seen.append((native.refreshes.watched, bool(native.desk.services)))
    assert seen == [(1, True), (0, False), (0, True), (1, True)]
