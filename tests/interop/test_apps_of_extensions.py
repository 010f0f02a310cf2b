"""Apps of the exchange's own extensions: they register and talk over REST, and no SIP goes to ourselves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.peers.baresip import Account, Baresip
from tests.peers.exchange import DOMAIN, ECHO_NUMBER, ExchangeProcess, Extension
from tests.peers.mobile_app import MobileApp

pytestmark = pytest.mark.asyncio
PASSWORD, APP_PASSWORD = "nine-blue-chairs-17", "two-green-stools-44"
PHONE, APP, OTHER = Extension("301", PASSWORD), Extension("302", APP_PASSWORD), Extension("303", PASSWORD)


@dataclass(frozen=True)
class Scene:
    """``phone`` is 301; ``app`` is all that 302 has, and listens on its live channel."""

    exchange: ExchangeProcess
    phone: Baresip
    app: MobileApp

    async def called(self) -> str:
        """The token of a call that comes in."""
        async with asyncio.timeout(60):
            while True:
                _, body = await self.app.ask("GET", "/v1/calls")
                if body["calls"]:
                    return str(body["calls"][0]["call_token"])


@pytest_asyncio.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    exchange = ExchangeProcess(tmp_path, [PHONE, APP, OTHER])
    api = exchange.sip_port + 7
    exchange._more = f'[api]\nlisten = "127.0.0.1:{api}"\n'
    account = Account(PHONE.number, PASSWORD, DOMAIN, f"127.0.0.1:{exchange.port('udp')}")
    async with (
        exchange,
        Baresip(tmp_path, account, 1200.0) as phone,
        MobileApp(f"http://127.0.0.1:{api}", tone_hz=700.0) as app,
    ):
        await phone.registered()
        proof = {"sip_username": APP.number, "sip_password": APP_PASSWORD, "sip_domain": DOMAIN}
        _, body = await app.ask("POST", "/v1/auth/token", proof)
        app.token = body["token"]
        await app.register(APP.number, APP_PASSWORD, DOMAIN, "a1" * 32)
        await app.is_registered()
        headers = {"Authorization": f"Bearer {app.token}"}
        assert app._session is not None
        async with app._session.ws_connect(f"/v1/events?device_id={app.device}", headers=headers) as live:
            await live.receive()
            yield Scene(exchange, phone, app)
            with contextlib.suppress(AssertionError, TimeoutError, ConnectionError):
                await phone.hangup()


async def test_a_phone_calls_an_extension_that_is_an_app_and_both_hear_each_other(scene: Scene) -> None:
    app, phone = scene.app, scene.phone
    await phone.dial(APP.number)
    token = await scene.called()
    assert (await app.accept(token))[0] == 200
    await phone.event("CALL_ESTABLISHED")
    await app.becomes(token, "active")
    assert app.sound is not None
    await app.sound.hears(phone.tone_hz)
    await phone.hears(app.tone_hz)
    (call,) = await scene.exchange.ask("calls")
    assert (call["caller"], call["callee"]) == (PHONE.number, APP.number)
    await app.hang_up(token)
    await phone.event("CALL_CLOSED")
    await scene.exchange.no_calls()


async def test_a_call_that_rings_an_app_can_be_taken_and_ended_while_the_exchange_stops(scene: Scene) -> None:
    app, phone = scene.app, scene.phone
    await phone.dial(APP.number)
    token = await scene.called()
    await scene.exchange.run("stop", "--grace", "60")
    assert (await app.accept(token))[0] == 200
    await phone.event("CALL_ESTABLISHED")
    await phone.hears(app.tone_hz)
    await app.hang_up(token)
    await phone.event("CALL_CLOSED")
    await scene.exchange.stop()


async def test_an_app_calls_the_echo_and_hears_itself(scene: Scene) -> None:
    app, sound = scene.app, scene.app.sound
    assert sound is not None
    asked = {"destination_uri": ECHO_NUMBER, "sdp_offer": sound.description(), "device_id": app.device}
    status, body = await app.ask("POST", "/v1/calls", asked)
    assert status == 200, body
    sound.speak_to(body["sdp_answer"])
    await sound.hears(app.tone_hz)
    await app.hang_up(body["call_token"])
    await scene.exchange.no_calls()


async def test_an_app_calls_a_phone_holds_it_and_hands_it_on(scene: Scene) -> None:
    app, phone, sound = scene.app, scene.phone, scene.app.sound
    assert sound is not None
    asked = {"destination_uri": PHONE.number, "sdp_offer": sound.description(), "device_id": app.device}
    calling = asyncio.create_task(app.ask("POST", "/v1/calls", asked))
    await phone.event("CALL_INCOMING")
    await phone.accept()
    status, body = await calling
    assert status == 200, body
    token = body["call_token"]
    sound.speak_to(body["sdp_answer"])
    await sound.hears(phone.tone_hz)
    await phone.hears(app.tone_hz)
    for what, more in (("hold", None), ("resume", None), ("dtmf", {"digits": "12"})):
        status, told = await app.ask("POST", f"/v1/calls/{token}/{what}", more)
        assert status in {200, 204}, (what, told)
    status, told = await app.ask("POST", f"/v1/calls/{token}/transfer", {"destination_uri": ECHO_NUMBER})
    assert status in {200, 202, 204}, told
    await phone.hears(phone.tone_hz)
    assert (await app.becomes(token, "ended"))["reason"] == "transferred"
    await phone.hangup()
    await scene.exchange.no_calls()
