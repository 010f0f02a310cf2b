"""The words by which a stand-in for APNs is told what to do, and the rules that it judges by."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from trunkline.push.doubles.apns_rules import (
    Asked,
    Bearer,
    TokenChanges,
    bearer_of,
    wrong_with_push,
    wrong_with_request,
)
from trunkline.push.doubles.apns_script import BadScript, Script, Step

NOW = 1_800_000_000.0
HEADERS = {
    "apns-topic": "com.example.app.voip",
    "apns-push-type": "voip",
    "apns-priority": "10",
    "apns-expiration": "0",
    "apns-id": "01890a5d-ac96-774b-bcce-b302099a8057",
}


def test_steps_are_used_up_in_order_and_then_apples_rules_hold() -> None:
    script = Script.of(["503, 403:ExpiredProviderToken,hang", "AB=410:1700000000"])
    assert script.next_for("ab") == Step(410, "Unregistered", at=1_700_000_000)
    assert script.next_for("ab") == Step(503, "ServiceUnavailable")
    assert script.next_for("cd") == Step(403, "ExpiredProviderToken")
    assert script.next_for("ab") == Step(word="hang")
    assert script.next_for("ab") is None


def test_a_star_repeats_the_last_step_for_ever() -> None:
    script = Script.of(["200,503*", "ab=410*"])
    assert [step and step.status for step in map(script.next_for, ["x", "x", "x", "ab", "ab"])] == [
        200, 503, 503, 410, 410,
    ]  # fmt: skip
    script.clear()
    assert script.next_for("ab") is None


@pytest.mark.parametrize("text", ["", "nonsense", "99", "hang:now", "700", "503:7", "ab="])
def test_what_is_no_step_is_told(text: str) -> None:
    with pytest.raises(BadScript, match="expected"):
        Script.of([text])


def asked(**changed: Any) -> Asked:
    headers = HEADERS | changed.pop("headers", {})
    headers = {name: value for name, value in headers.items() if value is not None}
    given = {"method": "POST", "path": "/3/device/00112233", "body": b"{}"} | changed
    return Asked(headers=headers, **given)


@pytest.mark.parametrize(
    ("changed", "status", "reason"),
    [
        ({"method": "GET"}, 405, "MethodNotAllowed"),
        ({"path": "/2/device/00112233"}, 404, "BadPath"),
        ({"path": "/3/device/"}, 400, "MissingDeviceToken"),
        ({"path": "/3/device/hello"}, 400, "BadDeviceToken"),
        ({"repeated": True}, 400, "DuplicateHeaders"),
        ({"body": b""}, 400, "PayloadEmpty"),
        ({"body": b"x" * 5121}, 413, "PayloadTooLarge"),
        ({"headers": {"apns-topic": None}}, 400, "MissingTopic"),
        ({"headers": {"apns-topic": "com.example.app"}}, 400, "BadTopic"),
        ({"headers": {"apns-topic": "com.example.app.voip.voip"}}, 400, "BadTopic"),
        ({"headers": {"apns-push-type": "alert"}}, 400, "InvalidPushType"),
        ({"headers": {"apns-push-type": "ring"}}, 400, "InvalidPushType"),
        ({"headers": {"apns-priority": "7"}}, 400, "BadPriority"),
        ({"headers": {"apns-expiration": "soon"}}, 400, "BadExpirationDate"),
        ({"headers": {"apns-id": "7"}}, 400, "BadMessageId"),
        ({"headers": {"apns-collapse-id": "x" * 65}}, 400, "BadCollapseId"),
        ({"certificate": "com.example.other"}, 400, "TopicDisallowed"),
    ],
)
def test_what_apple_refuses_is_refused(changed: dict[str, Any], status: int, reason: str) -> None:
    one = asked(**changed)
    assert (wrong_with_request(one) or wrong_with_push(one)) == (status, reason)


def test_what_is_right_is_taken() -> None:
    assert (wrong_with_request(asked()) or wrong_with_push(asked())) is None
    plain = {"apns-topic": "com.example.app", "apns-push-type": "background", "apns-priority": "5"}
    assert wrong_with_push(asked(headers=plain)) is None
    assert wrong_with_push(asked(headers=plain, body=b"x" * 4097)) == (413, "PayloadTooLarge")
    assert wrong_with_push(asked(headers=plain | {"apns-priority": "10"})) == (400, "BadPriority")


def bearer(head: object, claims: object, signature: bytes = b"s" * 64) -> str:
    parts = [json.dumps(head).encode(), json.dumps(claims).encode(), signature]
    return "bearer " + ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


HEAD = {"alg": "ES256", "kid": "KEY0000001"}
CLAIMS = {"iss": "TEAM000001", "iat": int(NOW)}


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        (None, "MissingProviderToken"),
        ("bearer x.y", "InvalidProviderToken"),
        (bearer(HEAD, CLAIMS).replace("bearer", "Basic"), "InvalidProviderToken"),
        (bearer(HEAD | {"alg": "HS256"}, CLAIMS), "InvalidProviderToken"),
        (bearer(HEAD | {"kid": "short"}, CLAIMS), "InvalidProviderToken"),
        (bearer(HEAD, CLAIMS | {"iss": None}), "InvalidProviderToken"),
        (bearer(HEAD, CLAIMS, b"s" * 71), "InvalidProviderToken"),
        (bearer(HEAD, CLAIMS | {"iat": int(NOW) + 3600}), "InvalidProviderToken"),
        (bearer(HEAD, CLAIMS | {"iat": int(NOW) - 3601}), "ExpiredProviderToken"),
        (bearer([], 7), "InvalidProviderToken"),
    ],
)
def test_a_provider_token_that_is_none_is_refused(authorization: str | None, reason: str) -> None:
    assert bearer_of(asked(headers={"authorization": authorization}), NOW) == (403, reason)


def test_a_provider_token_names_team_and_key() -> None:
    text = bearer(HEAD, CLAIMS)
    found = bearer_of(asked(headers={"authorization": text}), NOW)
    assert found == Bearer("TEAM000001", "KEY0000001", NOW, text.removeprefix("bearer "))
    assert text.removeprefix("bearer ") not in repr(found)


def test_tokens_may_change_so_often_and_not_more_often() -> None:
    changes = TokenChanges(most=1)
    tokens = [Bearer("T", "K", NOW, str(number)) for number in range(4)]
    assert [changes.too_many(token, NOW) for token in (tokens[0], tokens[0], tokens[1])] == [False] * 3
    assert changes.too_many(tokens[2], NOW)
    assert not changes.too_many(tokens[2], NOW + 1201)
    changes.excuse(tokens[2])
    assert not changes.too_many(tokens[3], NOW + 1202)
    assert len(changes.seen) == 4
