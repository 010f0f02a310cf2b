"""What a webhook is sent, how it is signed, and what its answers mean."""

from __future__ import annotations

import json

import pytest

from trunkline.base.errors import ConfigError
from trunkline.net.http_client import Answer
from trunkline.push.notification import Notification, Outcome, Purpose, PushAddress, Service
from trunkline.push.webhook import WebhookPlan, WebhookPusher, body_of, fate_of, signature_of


def test_the_signature_is_over_time_and_body() -> None:
    # printf '1700000000.{"id":"1"}' | openssl dgst -sha256 -hmac secret
    expected = "086f6aff7bd084c98679825129c5a64dbad88c760016d6d2c0fb123f27951d54"
    assert signature_of("secret", "1700000000", b'{"id":"1"}') == expected
    assert signature_of("secret", "1700000001", b'{"id":"1"}') != expected
    assert signature_of("other", "1700000000", b'{"id":"1"}') != expected


def test_the_body_has_all_of_the_notification() -> None:
    address = PushAddress(Service.WEBHOOK, "tok", kind="k", app="a")
    notification = Notification(
        address, Purpose.ALERT, "id", {"type": "call_missed"}, "Missed call", "Änne", 1_700_000_000.5, "c"
    )
    assert json.loads(body_of(notification)) == {
        "id": "id",
        "purpose": "alert",
        "token": "tok",
        "kind": "k",
        "app": "a",
        "data": {"type": "call_missed"},
        "title": "Missed call",
        "body": "Änne",
        "expires_at": 1_700_000_000.5,
        "collapse": "c",
    }


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.SENT),
        (204, Outcome.SENT),
        (301, Outcome.REFUSED),
        (401, Outcome.REFUSED),
        (404, Outcome.REFUSED),
        (409, Outcome.MISMATCH),
        (410, Outcome.GONE),
        (429, Outcome.BUSY),
        (502, Outcome.UNAVAILABLE),
    ],
)
def test_each_status_has_its_meaning(status: int, outcome: Outcome) -> None:
    fate = fate_of(Answer(status, {"Retry-After": "3"}, b""), 0.0)
    assert (fate.outcome, fate.status, fate.retry_after_s) == (outcome, status, 3.0)


def test_a_plan_that_cannot_be_is_told() -> None:
    with pytest.raises(ConfigError, match=r"push\.webhook\.secret"):
        WebhookPusher(WebhookPlan("https://a.test", ""))
    with pytest.raises(ConfigError, match=r"push\.webhook\.url") as caught:
        WebhookPusher(WebhookPlan("https://user:hush@a.test", "secret"))
    assert "hush" not in str(caught.value)
