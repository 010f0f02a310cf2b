"""What stands in notifications about calls, and what their fates mean for a device."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.link.mobile import Devices, Provider, device
from trunkline.mobile.office import HandOverPolicy
from trunkline.mobile.pushing import (
    CANCELLED,
    ELSEWHERE,
    MISSED,
    CallFacts,
    Pushing,
    after_notification,
    call_notification,
    dead_because,
    rfc3339,
    trouble_of,
)
from trunkline.push.notification import Fate, Outcome, Purpose, Service

FACTS = CallFacts("0192-call", "sip-call-id@pbx", "carol@pbx.example", "Carol")
POLICY = HandOverPolicy(gateway_url="https://gw.example")
PHONE = device("phone")


def test_a_call_is_pushed_by_the_token_that_rings_with_all_that_an_app_looks_for() -> None:
    push = call_notification(FACTS, "token", PHONE, POLICY, 1_790_000_000.9)
    assert push is not None
    assert (push.purpose, push.expires_at, push.collapse) == (Purpose.CALL, 0.0, "")
    address = push.address
    assert (address.service, address.token, address.kind, address.app) == (
        Service.APNS,
        "voip-phone",
        "voip",
        "com.example.app",
    )
    assert push.data == {
        "type": "incoming_call",
        "callToken": "token",
        "callerUri": "carol@pbx.example",
        "callerName": "Carol",
        "callId": "sip-call-id@pbx",
        "gatewayUrl": "https://gw.example",
        "expiresAt": "2026-09-21T14:13:20Z",
    }
    assert (push.title, push.body) == ("Incoming Call", "Carol is calling")


def test_each_push_has_an_id_of_its_own_that_is_not_the_token() -> None:
    ids = {one.id for _ in range(3) if (one := call_notification(FACTS, "token", PHONE, POLICY, 1.0))}
    assert len(ids) == 3
    assert "token" not in ids


@pytest.mark.parametrize("facts", [FACTS, CallFacts("c", "i", "")])
def test_who_calls_is_told_to_no_push_service_when_it_is_not_to_be(facts: CallFacts) -> None:
    policy = replace(POLICY, show_caller=False)
    for push in (
        call_notification(facts, "token", PHONE, policy, 1.0),
        after_notification(MISSED, facts, "token", PHONE, policy, 1.0),
    ):
        assert push is not None
        assert push.data["callerUri"] == "anonymous"
        assert "callerName" not in push.data
        assert "arol" not in push.title + push.body


@pytest.mark.parametrize(
    ("kind", "purpose", "title"),
    [
        (CANCELLED, Purpose.ALERT, "Missed Call"),
        (MISSED, Purpose.ALERT, "Missed Call"),
        (ELSEWHERE, Purpose.BACKGROUND, ""),
    ],
)
def test_what_follows_a_call_goes_by_the_token_that_never_rings(
    kind: str, purpose: Purpose, title: str
) -> None:
    push = after_notification(kind, FACTS, "token", PHONE, POLICY, 100.0)
    assert push is not None
    assert (push.address.token, push.address.kind) == ("alert-phone", "alert")
    assert (push.purpose, push.title, push.data["type"]) == (purpose, title, kind)
    assert push.expires_at > 100
    assert len(push.collapse.encode()) <= 64


def test_nothing_follows_where_only_a_ringing_token_is_known() -> None:
    assert after_notification(MISSED, FACTS, "t", replace(PHONE, alert_token=""), POLICY, 1.0) is None


def test_other_services_have_one_token_for_all() -> None:
    android = replace(PHONE, service="fcm", push_kind="fid", push_token="fid-1", alert_token="")
    call = call_notification(FACTS, "t", android, POLICY, 1.0)
    after = after_notification(MISSED, FACTS, "t", android, POLICY, 1.0)
    assert call is not None
    assert after is not None
    assert (call.address.kind, after.address) == ("fid", call.address)


@pytest.mark.parametrize("change", [{"push_token": ""}, {"disabled_why": "Unregistered"}])
def test_a_dead_device_is_not_pushed(change: dict[str, Any]) -> None:
    assert call_notification(FACTS, "t", replace(PHONE, **change), POLICY, 1.0) is None


@pytest.mark.scenario(6)
@pytest.mark.parametrize(
    ("fate", "dead"),
    [
        (Fate(Outcome.GONE, 410, "Unregistered", since=2000.0), "Unregistered"),
        (Fate(Outcome.GONE, 410, "Unregistered", since=1000.0), ""),
        (Fate(Outcome.GONE, 410, "Unregistered", since=999.0), ""),
        (Fate(Outcome.GONE, 404, "UNREGISTERED"), "UNREGISTERED"),
        (Fate(Outcome.MISMATCH, 403, "SENDER_ID_MISMATCH"), "SENDER_ID_MISMATCH"),
        (Fate(Outcome.SUSPECT, 403, "SENDER_ID_MISMATCH"), ""),
        (Fate(Outcome.REFUSED, 403, "InvalidProviderToken"), ""),
        (Fate(Outcome.BUSY, 429), ""),
        (Fate(Outcome.UNAVAILABLE, 503), ""),
        (Fate(Outcome.SENT, 200), ""),
    ],
)
def test_only_a_token_that_was_registered_before_it_died_is_dropped(fate: Fate, dead: str) -> None:
    assert dead_because(fate, 1000.0) == dead


def test_an_environment_is_learned_and_a_dead_token_disabled() -> None:
    devices, provider = Devices(), Provider()
    phone = devices.add(device("phone"))
    pushing = Pushing(provider, devices)
    provider.takes_s = 0.0
    provider.fates["voip-phone"] = Fate(Outcome.SENT, 200, environment="sandbox")
    push = call_notification(FACTS, "t", phone, POLICY, 1.0)
    assert push is not None
    assert asyncio.run(pushing.send(push, phone)).sent
    assert devices.devices["phone"].environment == "sandbox"
    provider.fates["voip-phone"] = Fate(Outcome.GONE, 410, "ExpiredToken", since=5000.0)
    asyncio.run(pushing.send(push, phone))
    assert devices.disabled == [("voip-phone", "ExpiredToken")]


@pytest.mark.parametrize(
    ("refused", "told"),
    [
        ({}, ""),
        ({"voip-phone"}, "no"),
        ({"alert-phone"}, "no (its alert token)"),
        ({"voip-phone", "alert-phone"}, "no"),
    ],
)
def test_a_device_tells_which_of_its_tokens_is_refused(refused: set[str], told: str) -> None:
    said = dict.fromkeys(refused, "no")
    assert trouble_of(PHONE, lambda _service: True, lambda address: said.get(address.token, "")) == told


@pytest.mark.parametrize(
    ("token", "told"),
    [("voip-phone", "nothing is set in [push.apns]"), ("", "")],  # who listens alone misses none
    ids=["pushed", "live"],
)
def test_a_device_tells_that_nothing_is_set_for_its_pushes(token: str, told: str) -> None:
    phone = replace(PHONE, push_token=token, alert_token="")
    assert trouble_of(phone, lambda service: service is not Service.APNS, lambda _address: "") == told


def test_times_are_whole_seconds_in_utc() -> None:
    assert rfc3339(0.0) == "1970-01-01T00:00:00Z"
