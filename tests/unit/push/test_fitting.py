"""What strangers write into names keeps no provider from taking a notification."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import pytest

from trunkline.push.apns.payload import compose
from trunkline.push.fcm.message import message_of
from trunkline.push.fitting import fitted
from trunkline.push.notification import Fate, Health, Notification, Outcome, Purpose, PushAddress, Service
from trunkline.push.pushers import Pushers
from trunkline.push.webhook import body_of
from trunkline.push.webpush.encryption import MOST_TEXT
from trunkline.push.webpush.pusher import text_of

NOW: Final = 1_700_000_000.0
TOKEN: Final = "6a1d7c52-93b5-4a0e-8f44-2f0a7f1f9c3b"
NAMES: Final = (
    "N" * 50_000,
    "\U0001f600" * 9000,
    '"\\' * 9000,
    "\x01" * 9000,
    "Bob \udcff",
    "\ud800",
    "\udcc3\udca4",
)


def note(name: str, service: Service, purpose: Purpose = Purpose.CALL) -> Notification:
    """As a phone with a SIP stack of its own gets it: each name twice."""
    kind = {Service.APNS: "voip" if purpose is Purpose.CALL else "alert", Service.FCM: "token"}.get(
        service, ""
    )
    data = dict.fromkeys(
        ("callerUri", "from-uri", "callerName", "display-name", "callId", "call-id", "text"), name
    )
    data |= {"type": "incoming_call", "callToken": TOKEN, "gatewayUrl": "https://voice.example.com"}
    address = PushAddress(service, "ab" * 32, kind, "com.example.app")
    return Notification(address, purpose, TOKEN, data, title=name, body=name, expires_at=NOW + 60)


@pytest.mark.parametrize("purpose", list(Purpose))
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_every_provider_takes_it(name: str, purpose: Purpose) -> None:
    composed = compose(fitted(note(name, Service.APNS, purpose)), "com.example.app")
    google = message_of(fitted(note(name, Service.FCM, purpose)), NOW)
    web = text_of(fitted(note(name, Service.WEBPUSH, purpose)))
    ours = body_of(fitted(note(name, Service.WEBHOOK, purpose)))
    assert len(web) <= MOST_TEXT
    told: list[Mapping[str, str]] = [
        json.loads(composed.body),
        json.loads(google)["message"]["data"],
        json.loads(web),
        json.loads(ours)["data"],
    ]
    for data in told:
        assert (data["callToken"], data["type"]) == (TOKEN, "incoming_call")
        assert data["gatewayUrl"] == "https://voice.example.com"
        assert data["callerName"].strip("\ufffd") in name


@pytest.mark.parametrize("name", ["", "Bob", "x" * 180])
def test_what_fits_is_left_as_it_is(name: str) -> None:
    one = Notification(
        PushAddress(Service.FCM, "t"),
        Purpose.CALL,
        TOKEN,
        {"callerName": name, "callToken": TOKEN},
        body=name,
    )
    assert fitted(one) is one


def test_a_name_in_other_letters_is_left_as_it_is() -> None:
    one = Notification(
        PushAddress(Service.FCM, "t"), Purpose.CALL, TOKEN, {"callerName": "Zoë 王小明"}, body="Zoë 王小明"
    )
    assert fitted(one) == one


class Google:
    """Takes what FCM takes."""

    service = Service.FCM

    async def send(self, notification: Notification) -> Fate:
        message_of(notification, NOW)
        return Fate(Outcome.SENT, 200)

    def aim_of(self, address: PushAddress) -> str:
        return address.app

    def health(self) -> Health:
        return Health(self.service, "ready")

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
async def test_whoever_sends_sends_it_so(name: str) -> None:
    assert (await Pushers([Google()], wall=lambda: NOW).send(note(name, Service.FCM))).sent
