"""The mobile gateway in front of Kamailio: a sleeping app is woken, called by baresip, and calls out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.peers.baresip import Account, Baresip
from tests.peers.exchange import ExchangeProcess
from tests.peers.kamailio import Kamailio
from tests.peers.mobile_app import MobileApp
from trunkline.push.doubles.apns import FakeApns

pytestmark = pytest.mark.asyncio
USER, SECRET = "49301", "green-tea-and-rain-5"
TOKEN, ALERT = "a1" * 32, "b2" * 32
API_KEY = "a-key-of-the-backend-4711"


def settings(folder: Path, apns: FakeApns, api: int, domain: str) -> str:
    """What an operator writes for a gateway alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / "AuthKey_ABCDE12345.p8").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (folder / "apns-ca.pem").write_bytes(apns.authority.ca_pem)
    return (
        "[exchange]\nenabled = false\n"
        f'[api]\nlisten = "127.0.0.1:{api}"\npublic_url = "https://voice.example.com"\n'
        f'[auth]\napi_key = "{API_KEY}"\n'
        f'[mobile]\ndomains = ["{domain}"]\nregistrars = ["127.0.0.1"]\n'
        f'[push]\nca = "{folder}/apns-ca.pem"\n'
        f'[push.apns]\nkey_path = "{folder}/AuthKey_ABCDE12345.p8"\nteam_id = "TEAM123456"\n'
        f'bundle_id = "com.example.aria"\nbase_url = "{apns.url}"\nsandbox_url = "{apns.url}"\n'
    )


@dataclass(frozen=True)
class Scene:
    """Somebody else's exchange, the gateway in front of it, an app that sleeps and a phone that calls."""

    gateway: ExchangeProcess
    kamailio: Kamailio
    apns: FakeApns
    app: MobileApp
    phone: Baresip

    async def pushed(self) -> str:
        """The token of the call that the next push tells of."""
        push = await asyncio.wait_for(self.apns.next_push(), 60)
        assert push.topic == "com.example.aria.voip"
        return str(push.payload["callToken"])


async def signed_in(app: MobileApp, kamailio: Kamailio) -> None:
    await app.get_token("anna", API_KEY)
    await app.register(USER, SECRET, "127.0.0.1", TOKEN, sip_port=kamailio.port, alert_token=ALERT)
    await app.is_registered()


@pytest_asyncio.fixture
async def office(tmp_path: Path) -> AsyncIterator[tuple[Scene, Baresip]]:
    """As ``scene``, where both phones are registered at Kamailio too, and send all that they send to it."""
    apns = FakeApns()
    await apns.start()
    gateway = ExchangeProcess(tmp_path, [], listen=("udp", "tcp"))
    api = gateway.sip_port + 7
    try:
        async with Kamailio.registrar(tmp_path, USER, SECRET, "sip:127.0.0.1:9") as kamailio:
            phones = [
                Baresip(tmp_path, Account(number, SECRET, server=kamailio.address), tone_hz=hz)
                for number, hz in (("555", 1200.0), ("556", 1700.0))
            ]
            gateway._more = settings(tmp_path, apns, api, "127.0.0.1")
            async with phones[0], phones[1], gateway, MobileApp(f"http://127.0.0.1:{api}") as app:
                for phone in phones:
                    await phone.registered()
                await signed_in(app, kamailio)
                yield Scene(gateway, kamailio, apns, app, phones[0]), phones[1]
    finally:
        await apns.stop()


@pytest_asyncio.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    apns = FakeApns()
    await apns.start()
    gateway = ExchangeProcess(tmp_path, [], listen=("udp", "tcp"))
    api = gateway.sip_port + 7
    phone = Baresip(tmp_path, Account("555"), tone_hz=1200.0)
    try:
        async with (
            phone,
            Kamailio.registrar(tmp_path, USER, SECRET, f"sip:127.0.0.1:{phone.sip_port}") as kamailio,
        ):
            gateway._more = settings(tmp_path, apns, api, "127.0.0.1")
            async with gateway, MobileApp(f"http://127.0.0.1:{api}", tone_hz=700.0) as app:
                await signed_in(app, kamailio)
                yield Scene(gateway, kamailio, apns, app, phone)
    finally:
        await apns.stop()


@pytest.mark.scenario(1)
async def test_a_sleeping_app_is_woken_takes_the_call_and_both_hear_each_other(scene: Scene) -> None:
    assert await scene.kamailio.knows(USER)
    await scene.phone.dial(f"sip:{USER}@{scene.kamailio.address}")
    token = await scene.pushed()
    assert (await scene.app.accept(token))[0] == 200
    await scene.phone.event("CALL_ESTABLISHED")
    await scene.app.becomes(token, "active")
    assert scene.app.sound is not None
    await scene.app.sound.hears(scene.phone.tone_hz)
    await scene.phone.hears(scene.app.tone_hz)
    await scene.app.hang_up(token)
    await scene.phone.event("CALL_CLOSED")
    assert len(scene.apns.pushes) == 1
    await scene.gateway.no_calls()


@pytest.mark.scenario(14)
async def test_an_app_calls_out_with_its_account_and_both_hear_each_other(scene: Scene) -> None:
    app, sound = scene.app, scene.app.sound
    assert sound is not None
    asked = {"destination_uri": "555", "sdp_offer": sound.description(), "device_id": app.device}
    calling = asyncio.create_task(app.ask("POST", "/v1/calls", asked))
    await scene.phone.event("CALL_INCOMING")
    await scene.phone.accept()
    status, body = await calling
    assert status == 200, body
    assert sorted(body) == ["call_token", "sdp_answer"]
    sound.speak_to(body["sdp_answer"])
    await sound.hears(scene.phone.tone_hz)
    await scene.phone.hears(app.tone_hz)
    await scene.phone.hangup()
    assert (await app.becomes(body["call_token"], "ended"))["reason"] == "bye_from_remote"
    await scene.gateway.no_calls()


@pytest.mark.scenario(14)
async def test_an_app_that_leaves_before_the_answer_cancels_its_call(scene: Scene) -> None:
    app, sound = scene.app, scene.app.sound
    assert sound is not None
    asked = {
        "destination_uri": "sip:555@127.0.0.1",
        "sdp_offer": sound.description(),
        "device_id": app.device,
    }
    calling = asyncio.create_task(app.ask("POST", "/v1/calls", asked))
    await scene.phone.event("CALL_INCOMING")
    calling.cancel()
    await scene.phone.event("CALL_CLOSED")
    await scene.gateway.no_calls()


@pytest.mark.scenario(3)
async def test_a_caller_who_gives_up_leaves_a_token_that_is_gone(scene: Scene) -> None:
    await scene.phone.dial(f"sip:{USER}@{scene.kamailio.address}")
    token = await scene.pushed()
    await scene.app.offer(token)
    await scene.phone.hangup()
    await scene.app.becomes(token, "ended")
    status, body = await scene.app.accept(token, answer=scene.app.sound.description())  # type: ignore[union-attr]
    assert (status, body["code"]) == (410, "call.over")
    told = await asyncio.wait_for(scene.apns.next_push(), 60)
    assert told.topic == "com.example.aria", "never a VoIP push for what is over"
    await scene.gateway.no_calls()


@pytest.mark.scenario(12)
async def test_the_last_device_takes_the_contact_with_it(scene: Scene) -> None:
    status, _ = await scene.app.ask("DELETE", f"/v1/devices/{scene.app.device}")
    assert status == 204
    async with asyncio.timeout(60):
        while await scene.kamailio.knows(USER):
            pass
    assert SECRET not in scene.gateway.log()


@pytest.mark.scenario(11)
async def test_a_crash_while_the_app_rings_does_not_push_again_and_the_call_goes_on(scene: Scene) -> None:
    await scene.phone.dial(f"sip:{USER}@{scene.kamailio.address}")
    token = await scene.pushed()
    await scene.app.offer(token)
    await scene.gateway.has_kept_calls(1)
    await scene.gateway.crash_and_restart()
    assert (await scene.app.accept(token))[0] == 200
    await scene.phone.event("CALL_ESTABLISHED")
    await scene.app.becomes(token, "active")
    assert scene.app.sound is not None
    await scene.app.sound.hears(scene.phone.tone_hz)
    await scene.gateway.has_kept_calls(1)
    await scene.gateway.crash_and_restart()
    await scene.app.hang_up(token)
    await scene.phone.event("CALL_CLOSED")
    assert len([push for push in scene.apns.pushes if push.topic.endswith(".voip")]) == 1
    await scene.gateway.no_calls()


async def transferred(scene: Scene, destination: str) -> tuple[int, Any, list[dict[str, Any]]]:
    """The phone calls the app, which hands it on: the reply, and what the live channel told from then on."""
    app = scene.app
    await scene.phone.dial(f"sip:{USER}@{scene.kamailio.address}")
    token = await scene.pushed()
    assert (await app.accept(token))[0] == 200
    await scene.phone.event("CALL_ESTABLISHED")
    await app.becomes(token, "active")
    async with app.events() as channel:
        path = f"/v1/calls/{token}/transfer"
        status, body = await app.ask("POST", path, {"destination_uri": destination})
        told = [await channel.receive_json(timeout=60)]
        while told[-1]["event"] != "call.ended" and status == 200:
            told.append(await channel.receive_json(timeout=60))
    return status, body, told


@pytest.mark.rule("T-37")
@pytest.mark.rfc("3515", "2.4.4")
async def test_an_app_hands_its_caller_on_by_the_exchange_of_others(office: tuple[Scene, Baresip]) -> None:
    """Kamailio passes a REFER within a dialog alone; the phone that is asked calls by way of it."""
    scene, other = office

    async def taken() -> None:
        await other.event("CALL_INCOMING")
        await other.accept()

    taking = asyncio.create_task(taken())
    status, body, told = await transferred(scene, "556")
    await taking
    assert status == 200, body
    assert [one["event"] for one in told] == ["call.transfer", "call.ended"]
    assert told[0]["data"] == {"sip_status": 200}
    assert told[1]["call_token"] == told[0]["call_token"]
    await scene.gateway.no_calls()
    await scene.phone.hears(other.tone_hz)
    await other.hears(scene.phone.tone_hz)


@pytest.mark.rule("T-37")
@pytest.mark.rfc("3515", "2.4.4")
async def test_a_caller_whom_nobody_else_takes_stays_with_the_app(office: tuple[Scene, Baresip]) -> None:
    scene, other = office

    async def refused() -> None:
        await other.event("CALL_INCOMING")
        await other.hangup()

    refusing = asyncio.create_task(refused())
    status, body, told = await transferred(scene, "sip:556@127.0.0.1")
    await refusing
    assert (status, body["code"]) == (502, "call.refused")
    assert 400 <= body["sip_status"] < 700
    assert (told[0]["event"], told[0]["data"]) == ("call.transfer", {"sip_status": body["sip_status"]})
    token = told[0]["call_token"]
    assert (await scene.app.status(token))["status"] == "active"
    await scene.app.hang_up(token)
    await scene.gateway.no_calls()
