"""Explanations of a running exchange: its own objects are looked at, and what real phones did is remembered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.loopback.net.kit import Peer
from tests.loopback.raw_phone import RawPhone
from trunkline.app.addresses import host_addresses
from trunkline.app.exchange import Exchange
from trunkline.app.handlers import ExchangeHandlers
from trunkline.app.settings import Settings
from trunkline.app.settings.file import complete
from trunkline.base.messages import (
    AddExtension,
    ExplainNumber,
    ExplainRegister,
    RecentRegisters,
    RemoveRegistrations,
)
from trunkline.store import Store

SETTINGS = {
    "domain": "pbx.test",
    "sip": {"listen": ["tcp:127.0.0.1:0"]},
    "media": {"address": "127.0.0.1"},
    "metrics": {"listen": "off"},
}


class Office:
    """A running exchange with 1001 and 1002, and a phone of 1001 that may register."""

    def __init__(self, store: Store, exchange: Exchange) -> None:
        self.exchange = exchange
        self.peers: list[Peer] = []
        self._handlers = ExchangeHandlers(store, "pbx.test", exchange, {})

    async def ask(self, request: Any) -> Any:
        return await self._handlers.handle(request)

    async def phone(self, user: str) -> RawPhone:
        peer = await Peer.connect(self.exchange.net.listeners[0])
        self.peers.append(peer)
        place = "{}:{}".format(*peer.address)
        return RawPhone(peer, user, f"TCP {place}", f"<sip:{user}@{place};transport=tcp>")


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    with Store.open(tmp_path / "data") as store:
        settings = complete(Settings.model_validate(SETTINGS), host_addresses())
        exchange = Exchange(settings, store, tmp_path / "data")
        await exchange.start()
        made = Office(store, exchange)
        for number in ("1001", "1002"):
            await made.ask(AddExtension(number=number, password=f"secret of {number}"))
        try:
            yield made
        finally:
            for peer in made.peers:
                peer.close()
            await exchange.stop(0)


async def test_a_registration_is_told_with_its_attempts_and_how_it_ended(office: Office) -> None:
    phone = await office.phone("1001")
    assert (await phone.request("REGISTER", "sip:pbx.test", "Expires: 600\r\n")).status == 200
    history = await office.ask(RecentRegisters(number="1001"))
    (bound,) = history.bound
    assert (bound.transport, bound.by_flow, bound.refreshed_at) == ("tcp", True, None)
    assert [one.explanation.outcome for one in history.attempts] == ["register.bound"]
    call = await office.ask(ExplainNumber(number="1001", caller="1002"))
    assert (call.status, call.outcome, call.text) == (0, "route.contacts", "the call goes ahead")
    assert [step.code for step in call.steps if step.stage in {"fork", "media"}] == [
        "fork.flow", "media.ports_free", "media.told", "media.profile",
    ]  # fmt: skip
    assert (await office.ask(RemoveRegistrations(number="1001"))).removed == 1
    history = await office.ask(RecentRegisters(number="1001", last=1))
    assert [one.explanation.outcome for one in history.attempts] == ["register.removed"]
    gone = await office.ask(ExplainNumber(number="1001", caller="1002"))
    assert (gone.status, gone.outcome) == (480, "route.not_registered")
    assert "an operator ended the registration of 1001" in gone.steps[-2].text


async def test_a_refused_attempt_is_told_to_the_operator(office: Office) -> None:
    phone = await office.phone("1001")
    draft_of = phone.contact.replace("1001", "1002")
    phone.contact, phone.user = draft_of, "1002"  # it proves to be 1001
    for _ in range(2):
        assert (await phone.request("REGISTER", "sip:pbx.test")).status == 403
    (attempt,) = (await office.ask(RecentRegisters(number="1001"))).attempts
    assert (attempt.explanation.status, attempt.times) == (403, 2)
    assert "nobody registers for another" in attempt.explanation.text
    assert attempt.explanation.hint


async def test_a_described_registration_meets_the_limits_of_the_exchange(office: Office) -> None:
    short = await office.ask(ExplainRegister(number="1001", source="127.0.0.9", expires_s=30))
    assert (short.status, short.outcome) == (423, "register.refused")
    office.exchange.fence.ban("127.0.0.9", office.exchange.endpoint.now(), 60)
    banned = await office.ask(ExplainRegister(number="1001", source="127.0.0.9"))
    assert (banned.status, banned.outcome) == (0, "auth.banned")
    office.exchange.drain()
    assert (await office.ask(ExplainNumber(number="1002", caller="1001"))).outcome == "identify.draining"
