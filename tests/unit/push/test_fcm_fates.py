"""What FCM's answers mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trunkline.net.http_client import Answer
from trunkline.push.asking_again import delay_of, retry_after
from trunkline.push.fcm.fates import fate_of, is_unauthenticated
from trunkline.push.notification import Fate, Notification, Outcome, Purpose, PushAddress, Service

NOW = 1_700_000_000.0
FCM = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD = "type.googleapis.com/google.rpc.BadRequest"
QUOTA = "type.googleapis.com/google.rpc.QuotaFailure"


def answer(status: int, word: str = "", *details: dict[str, Any], **headers: str) -> Answer:
    error = {"code": status, "message": "m", "status": word, "details": details}
    return Answer(
        status,
        {key.replace("_", "-"): value for key, value in headers.items()},
        json.dumps({"error": error}).encode(),
    )


def fcm(code: str) -> dict[str, Any]:
    return {"@type": FCM, "errorCode": code}


def bad(*fields: str) -> dict[str, Any]:
    return {"@type": BAD, "fieldViolations": [{"field": field, "description": "d"} for field in fields]}


@pytest.mark.parametrize(
    ("said", "outcome", "reason"),
    [
        (Answer(200, {}, b"{}"), Outcome.SENT, ""),
        pytest.param(
            answer(404, "NOT_FOUND", fcm("UNREGISTERED")),
            Outcome.GONE,
            "UNREGISTERED",
            marks=pytest.mark.scenario(6),
        ),
        (answer(404, "NOT_FOUND"), Outcome.REFUSED, "NOT_FOUND"),
        (answer(403, "PERMISSION_DENIED", fcm("SENDER_ID_MISMATCH")), Outcome.MISMATCH, "SENDER_ID_MISMATCH"),
        (answer(403, "PERMISSION_DENIED"), Outcome.REFUSED, "PERMISSION_DENIED"),
        (answer(401, "UNAUTHENTICATED"), Outcome.REFUSED, "UNAUTHENTICATED"),
        (
            answer(401, "UNAUTHENTICATED", fcm("THIRD_PARTY_AUTH_ERROR")),
            Outcome.REFUSED,
            "THIRD_PARTY_AUTH_ERROR",
        ),
        (
            answer(400, "INVALID_ARGUMENT", fcm("INVALID_ARGUMENT")),
            Outcome.GONE,
            "INVALID_ARGUMENT: no registration token",
        ),
        (
            answer(400, "INVALID_ARGUMENT", fcm("INVALID_ARGUMENT"), bad("message.token")),
            Outcome.GONE,
            "INVALID_ARGUMENT: no registration token",
        ),
        (
            answer(
                400, "INVALID_ARGUMENT", fcm("INVALID_ARGUMENT"), bad("message.token", "message.android.ttl")
            ),
            Outcome.REFUSED,
            "INVALID_ARGUMENT: message.android.ttl",
        ),
        (answer(400, "INVALID_ARGUMENT"), Outcome.REFUSED, "INVALID_ARGUMENT"),
        (answer(429, "RESOURCE_EXHAUSTED", fcm("QUOTA_EXCEEDED")), Outcome.BUSY, "QUOTA_EXCEEDED"),
        (
            answer(
                429, "", fcm("QUOTA_EXCEEDED"), {"@type": QUOTA, "violations": [{"subject": "project:123"}]}
            ),
            Outcome.UNAVAILABLE,
            "QUOTA_EXCEEDED of the whole project",
        ),
        (answer(503, "UNAVAILABLE", fcm("UNAVAILABLE")), Outcome.UNAVAILABLE, "UNAVAILABLE"),
        (answer(500, "INTERNAL", fcm("INTERNAL")), Outcome.UNAVAILABLE, "INTERNAL"),
        (Answer(502, {}, b"<html>"), Outcome.UNAVAILABLE, ""),
        (Answer(302, {}, b""), Outcome.REFUSED, ""),
        (Answer(404, {}, b"[" * 100_000), Outcome.REFUSED, ""),
        (
            Answer(404, {}, b'{"error": {"details": [{"@type": 1}, 2], "status": "a\\nb"}}'),
            Outcome.REFUSED,
            "",
        ),
    ],
)
def test_each_answer_has_its_meaning(said: Answer, outcome: Outcome, reason: str) -> None:
    fate = fate_of(said, NOW)
    assert (fate.outcome, fate.status, fate.reason) == (outcome, said.status, reason)


def test_only_an_unknown_access_token_is_worth_a_new_one() -> None:
    assert is_unauthenticated(fate_of(answer(401, "UNAUTHENTICATED"), NOW))
    assert not is_unauthenticated(fate_of(answer(401, "", fcm("THIRD_PARTY_AUTH_ERROR")), NOW))
    assert not is_unauthenticated(fate_of(answer(403, "PERMISSION_DENIED"), NOW))


@pytest.mark.rfc("9110", "10.2.3")
@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7.0),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0.0),
        ("999999999", 86_400.0),
        ("soon", 0.0),
        ("-1", 0.0),
        ("", 0.0),
        ("Tue, 99 Foo 2023", 0.0),
    ],
)
def test_when_to_come_again_is_a_number_or_a_date(said: str, seconds: float) -> None:
    assert retry_after({"Retry-After": said}, NOW) == seconds


@pytest.mark.scenario(8)
@pytest.mark.parametrize(
    ("outcome", "asked", "call", "other"),
    [
        (Outcome.UNAVAILABLE, 0.0, 0.2, 0.2),
        (Outcome.UNAVAILABLE, 1.5, 1.0, 1.5),
        (Outcome.UNAVAILABLE, 60.0, 1.0, None),
        (Outcome.BUSY, 60.0, 1.0, None),
        (Outcome.SENT, 0.0, None, None),
        (Outcome.GONE, 0.0, None, None),
        (Outcome.MISMATCH, 0.0, None, None),
        (Outcome.REFUSED, 0.0, None, None),
        (Outcome.DROPPED, 0.0, None, None),
    ],
)
def test_a_call_is_tried_again_at_once_or_never(
    outcome: Outcome, asked: float, call: float | None, other: float | None
) -> None:
    address = PushAddress(Service.FCM, "t")
    fate = Fate(outcome, retry_after_s=asked)
    assert delay_of(fate, Notification(address, Purpose.CALL, "1", {})) == call
    assert delay_of(fate, Notification(address, Purpose.ALERT, "1", {})) == other
