"""What goes to Apple for each purpose, and what is never sent."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from trunkline.push.apns.payload import UnfitError, bundle_of, compose
from trunkline.push.notification import Notification, Purpose, PushAddress, Service

ID = "01890A5D-AC96-774B-BCCE-B302099A8057"
ADDRESS = PushAddress(Service.APNS, "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0")
CALL = Notification(
    ADDRESS,
    Purpose.CALL,
    ID,
    {"callToken": "t", "callerUri": "alice@example.com", "callerName": "Alice", "type": "incoming_call"},
)


@pytest.mark.scenario(1)
def test_a_call_is_a_voip_push_that_is_delivered_now_or_never() -> None:
    composed = compose(CALL, "com.example.app")
    request = composed.request(b"bearer x.y.z")
    assert request.path == b"/3/device/" + ADDRESS.token.encode()
    assert dict(request.usual + request.own) == {
        b"apns-topic": b"com.example.app.voip",
        b"apns-push-type": b"voip",
        b"apns-priority": b"10",
        b"apns-expiration": b"0",
        b"apns-id": ID.lower().encode(),
        b"authorization": b"bearer x.y.z",
        b"content-type": b"application/json",
    }
    assert json.loads(request.body) == {
        "aps": {
            "alert": {"title": "Incoming Call", "body": "Alice is calling"},
            "sound": "ringtone.caf",
            "content-available": 1,
        },
        "callToken": "t",
        "callerUri": "alice@example.com",
        "callerName": "Alice",
        "type": "incoming_call",
    }


@pytest.mark.parametrize("bundle", ["com.example.app", "com.example.app.voip"])
def test_the_topic_of_voip_pushes_is_never_appended_twice(bundle: str) -> None:
    assert compose(CALL, bundle).topic == "com.example.app.voip"
    assert compose(replace(CALL, purpose=Purpose.ALERT), bundle).topic == "com.example.app"
    assert bundle_of(bundle) == "com.example.app"


def test_the_app_of_the_address_comes_before_the_configured_one() -> None:
    call = replace(CALL, address=replace(ADDRESS, app="com.example.other"))
    assert compose(call, "com.example.app").topic == "com.example.other.voip"


def test_who_calls_without_a_name_is_told_by_the_address() -> None:
    call = replace(CALL, data={"callerUri": "alice@example.com"})
    shown = json.loads(compose(call, "a.b").body)["aps"]["alert"]
    assert shown["body"] == "alice@example.com is calling"
    call = replace(CALL, data={}, title="Doorbell", body="Somebody rings")
    assert json.loads(compose(call, "a.b").body)["aps"]["alert"] == {
        "title": "Doorbell",
        "body": "Somebody rings",
    }


def test_an_alert_goes_by_the_plain_topic_and_may_wait() -> None:
    alert = Notification(
        replace(ADDRESS, kind="alert"),
        Purpose.ALERT,
        ID,
        {"type": "call_missed"},
        "Missed call",
        "Alice",
        1_800_000_000.7,
        "missed-7",
    )
    composed = compose(alert, "com.example.app")
    assert (composed.push_type, composed.topic, composed.priority) == ("alert", "com.example.app", 10)
    assert dict(composed.request(b"").own)[b"apns-expiration"] == b"1800000000"
    assert dict(composed.request(b"").own)[b"apns-collapse-id"] == b"missed-7"
    assert b"authorization" not in dict(composed.request(b"").usual)
    assert json.loads(composed.body) == {
        "aps": {"alert": {"title": "Missed call", "body": "Alice"}, "sound": "default"},
        "type": "call_missed",
    }


def test_a_background_push_shows_nothing_and_is_not_urgent() -> None:
    composed = compose(replace(CALL, purpose=Purpose.BACKGROUND), "com.example.app")
    assert (composed.push_type, composed.topic, composed.priority) == ("background", "com.example.app", 5)
    assert json.loads(composed.body)["aps"] == {"content-available": 1}


@pytest.mark.parametrize("purpose", [Purpose.ALERT, Purpose.BACKGROUND])
def test_nothing_but_a_call_goes_by_a_voip_token(purpose: Purpose) -> None:
    with pytest.raises(UnfitError, match="InvalidPushType"):
        compose(replace(CALL, purpose=purpose, address=replace(ADDRESS, kind="voip")), "a.b")


def test_a_call_for_an_app_without_a_voip_token_is_an_alert_that_rings() -> None:
    composed = compose(replace(CALL, address=replace(ADDRESS, kind="alert")), "a.b")
    assert (composed.push_type, composed.topic, composed.expiration) == ("alert", "a.b", 0)
    assert json.loads(composed.body)["aps"]["sound"] == "ringtone.caf"


@pytest.mark.parametrize("collapse", ["x" * 65, "é" * 40, "a\nb"])
def test_a_name_for_collapsing_that_does_not_fit_is_told_by_its_hash(collapse: str) -> None:
    alert = replace(CALL, purpose=Purpose.ALERT, collapse=collapse)
    made = compose(alert, "a.b").collapse
    assert len(made) == 64
    assert made.isalnum()
    assert compose(replace(alert, collapse=collapse + "y"), "a.b").collapse != made


def test_payloads_are_5120_bytes_at_most_for_calls_and_4096_for_others() -> None:
    def of_size(size: int, purpose: Purpose) -> int:
        empty = len(compose(replace(CALL, purpose=purpose, data={"x": ""}), "a.b").body)
        data = {"x": "y" * (size - empty)}
        return len(compose(replace(CALL, purpose=purpose, data=data), "a.b").body)

    assert of_size(5120, Purpose.CALL) == 5120
    assert of_size(4096, Purpose.BACKGROUND) == 4096
    with pytest.raises(UnfitError, match="PayloadTooLarge"):
        of_size(5121, Purpose.CALL)
    with pytest.raises(UnfitError, match="PayloadTooLarge"):
        of_size(4097, Purpose.BACKGROUND)


def test_long_texts_are_cut_so_that_a_name_cannot_stop_a_push() -> None:
    composed = compose(replace(CALL, purpose=Purpose.ALERT, title="t" * 5000, body="b" * 5000), "a.b")
    assert len(composed.body) < 1000


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"address": replace(ADDRESS, token="../../admin")}, "BadDeviceToken"),
        ({"address": replace(ADDRESS, token="")}, "BadDeviceToken"),
        ({"address": replace(ADDRESS, app="com.example\r\nx: y")}, "BadTopic"),
        ({"id": "7"}, "BadMessageId"),
        ({"data": {"aps": "mine"}}, "aps"),
    ],
)
def test_what_apple_would_refuse_is_not_sent(wrong: dict[str, object], reason: str) -> None:
    with pytest.raises(UnfitError, match=reason):
        compose(replace(CALL, **wrong), "a.b")  # type: ignore[arg-type]  # of the right types
    with pytest.raises(UnfitError, match="MissingTopic"):
        compose(CALL, "")


def test_neither_token_nor_texts_are_shown_by_repr() -> None:
    composed = compose(CALL, "a.b")
    assert ADDRESS.token not in repr(composed) + repr(composed.request(b"bearer secret"))
    assert "secret" not in repr(composed.request(b"bearer secret"))
