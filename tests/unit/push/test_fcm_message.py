"""Notifications as FCM takes them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trunkline.base.errors import LocalProtocolError
from trunkline.push.doubles.fcm_shape import check_send
from trunkline.push.fcm.message import MOST_BYTES, message_of
from trunkline.push.notification import Notification, Purpose, PushAddress, Service

NOW = 1_700_000_000.0
DATA = {"type": "incoming_call", "callToken": "t", "callerUri": "1001@a.test", "callerName": "Änne"}


def composed(notification: Notification) -> dict[str, Any]:
    body = message_of(notification, NOW)
    check_send(body)  # what the stand-in thinks of it
    message: dict[str, Any] = json.loads(body)["message"]
    return message


def note(purpose: Purpose = Purpose.CALL, kind: str = "token", **rest: Any) -> Notification:
    data = rest.pop("data", DATA)
    return Notification(PushAddress(Service.FCM, "device:1", kind), purpose, "id", data, **rest)


def test_a_call_is_data_alone_of_high_priority_now_or_never() -> None:
    assert composed(note(expires_at=NOW + 30, title="Incoming Call", body="Änne is calling")) == {
        "token": "device:1",
        "data": DATA,
        "android": {"priority": "HIGH", "ttl": "0s"},
    }


def test_an_installation_id_is_another_kind_of_target() -> None:
    message = composed(note(kind="fid"))
    assert message["fid"] == "device:1"
    assert "token" not in message
    assert composed(note(kind=""))["token"] == "device:1"


@pytest.mark.parametrize("purpose", [Purpose.ALERT, Purpose.BACKGROUND])
def test_all_else_is_of_normal_priority(purpose: Purpose) -> None:
    message = composed(note(purpose, expires_at=NOW + 60.9, collapse="c", title="Missed call", body="1001"))
    assert message["android"] == {"priority": "NORMAL", "ttl": "60s", "collapse_key": "c"}
    assert message["data"] == {**DATA, "title": "Missed call", "body": "1001"}
    assert "notification" not in message
    assert composed(note(purpose))["android"]["ttl"] == "0s"
    assert composed(note(purpose, expires_at=NOW + 1e9))["android"]["ttl"] == "2419200s"


@pytest.mark.parametrize("key", ["from", "google.x", "gcm", "gcm.n.e", "message_type", "notification"])
def test_keys_of_fcm_are_not_ours(key: str) -> None:
    with pytest.raises(LocalProtocolError, match="keeps for itself"):
        message_of(note(data={key: "x"}), NOW)
    message_of(note(data={"fromUri": "x", "theirs.google": "y"}), NOW)


def test_what_is_too_large_is_not_sent() -> None:
    message_of(note(data={"a": "x" * (MOST_BYTES - 1)}), NOW)
    with pytest.raises(LocalProtocolError, match="4097 bytes"):
        message_of(note(data={"a": "ä" * (MOST_BYTES // 2)}), NOW)


def test_a_device_of_an_unknown_kind_is_told_without_its_token() -> None:
    with pytest.raises(LocalProtocolError, match="expected token or fid") as caught:
        message_of(note(kind="voip"), NOW)
    assert "device:1" not in str(caught.value)
    with pytest.raises(LocalProtocolError, match="without a token"):
        message_of(Notification(PushAddress(Service.FCM, ""), Purpose.CALL, "id", {}), NOW)
