"""What of the settings a push depends on, as each provider says it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trunkline.push.apns.plan import ApnsKey, ApnsPlan, ApnsTeam
from trunkline.push.apns.pusher import ApnsPusher
from trunkline.push.doubles.fcm import FakeFcm
from trunkline.push.fcm.plan import FcmPlan
from trunkline.push.fcm.pusher import FcmPusher
from trunkline.push.notification import PushAddress, Service
from trunkline.push.webhook import WebhookPlan, WebhookPusher

KEY = FakeFcm(tls=False).service_account
TEAM = ApnsTeam("TEAM000001", "com.example.app", ApnsKey("KEY0000001", pem="of nobody"))


def at(service: Service, **rest: Any) -> PushAddress:
    return PushAddress(service, "secret", **rest)


async def test_apns_goes_by_app_team_and_kind_whichever_way_the_app_is_named() -> None:
    apns = ApnsPusher(ApnsPlan((TEAM,), keep_open=False))
    usual = apns.aim_of(at(Service.APNS, kind="voip"))
    assert usual == "com.example.app (voip) of team TEAM000001"
    for same in ({"app": "com.example.app"}, {"app": "com.example.app.voip", "environment": "sandbox"}):
        assert apns.aim_of(at(Service.APNS, kind="voip", **same)) == usual
    others = ({"kind": "alert"}, {"kind": "voip", "app": "com.example.other"})
    assert usual not in {apns.aim_of(at(Service.APNS, **other)) for other in others}
    assert apns.aim_of(at(Service.APNS, team="TEAM000002")) == ""
    await apns.stop()


@pytest.mark.parametrize(
    ("app", "aim"),
    [("", "project mine"), ("other-project", "project other-project"), ("com.example.app", "project mine")],
)
async def test_fcm_goes_by_the_project_and_a_package_is_none(app: str, aim: str) -> None:
    fcm = FcmPusher(FcmPlan(service_account=KEY, project_id="mine"))
    assert fcm.aim_of(at(Service.FCM, app=app)) == aim
    await fcm.stop()


async def test_without_an_account_fcm_has_no_aim_until_it_has_one() -> None:
    fcm = FcmPusher(FcmPlan(service_account=KEY))
    assert fcm.aim_of(at(Service.FCM)) == ""
    await fcm.read()
    assert fcm.aim_of(at(Service.FCM)) == f"project {json.loads(KEY)['project_id']}"
    await fcm.stop()


async def test_a_backend_of_the_operators_own_is_not_doubted() -> None:
    hook = WebhookPusher(WebhookPlan("https://backend.example/push", secret="s" * 16))
    assert hook.aim_of(at(Service.WEBHOOK)) == ""
    await hook.stop()
