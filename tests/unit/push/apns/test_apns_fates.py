"""What each of Apple's answers means."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.push.apns.connection import Reply
from trunkline.push.apns.fates import REASONS, Remedy, Verdict, verdict_of
from trunkline.push.notification import Outcome

# As the page of Apple's lists them, with what they mean for a call.
TABLE = """
400 BadCollapseId refused none
400 BadDeviceToken mismatch flip
400 BadExpirationDate refused none
400 BadMessageId refused none
400 BadPriority refused none
400 BadTopic refused alarm
400 DeviceTokenNotForTopic mismatch flip
400 DuplicateHeaders refused none
400 IdleTimeout unavailable elsewhere
400 InvalidPushType refused none
400 MissingDeviceToken refused none
400 MissingTopic refused alarm
400 PayloadEmpty refused none
400 TopicDisallowed refused alarm
403 BadCertificate refused alarm
403 BadCertificateEnvironment refused alarm
403 ExpiredProviderToken refused renew
403 Forbidden refused alarm
403 InvalidProviderToken refused alarm
403 MissingProviderToken refused alarm
403 UnrelatedKeyIdInToken refused elsewhere
403 BadEnvironmentKeyIdInToken refused alarm
403 BadEnvironmentKeyInToken refused alarm
404 BadPath refused none
405 MethodNotAllowed refused none
410 ExpiredToken gone none
410 Unregistered gone none
413 PayloadTooLarge refused none
429 TooManyProviderTokenUpdates unavailable pause
429 TooManyRequests busy none
500 InternalServerError unavailable elsewhere
503 ServiceUnavailable unavailable elsewhere
503 Shutdown unavailable elsewhere
"""
ROWS = [tuple(line.split()) for line in TABLE.strip().splitlines()]


def verdict(status: int, said: object, **headers: bytes) -> Verdict:
    named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    return verdict_of(Reply(status, named, said if isinstance(said, bytes) else json.dumps(said).encode()))


@pytest.mark.parametrize(("status", "reason", "outcome", "remedy"), ROWS)
def test_every_reason_that_apple_documents(status: str, reason: str, outcome: str, remedy: str) -> None:
    found = verdict(int(status), {"reason": reason})
    assert (found.fate.outcome, found.remedy) == (outcome, remedy)
    assert (found.fate.status, found.fate.reason) == (int(status), reason)


def test_the_table_here_and_the_one_in_the_code_have_the_same_rows() -> None:
    assert {(int(status), reason) for status, reason, *_ in ROWS} == REASONS


def test_200_is_sent() -> None:
    found = verdict(200, b"")
    assert found.fate.sent
    assert found.remedy is Remedy.NONE


@pytest.mark.scenario(6)
def test_410_tells_since_when_a_token_is_dead() -> None:
    assert (
        verdict(410, {"reason": "Unregistered", "timestamp": 1_700_000_000_123}).fate.since
        == 1_700_000_000.123
    )
    assert verdict(410, {"reason": "Unregistered"}).fate.since is None


@pytest.mark.parametrize("timestamp", ["1700000000000", -1, 0, 10**30, None, True, [1]])
def test_a_time_that_is_none_is_not_believed(timestamp: object) -> None:
    assert verdict(410, {"reason": "Unregistered", "timestamp": timestamp}).fate.since is None


@pytest.mark.parametrize(
    ("status", "outcome", "remedy"),
    [
        (410, Outcome.GONE, Remedy.NONE),
        (403, Outcome.REFUSED, Remedy.ALARM),
        (429, Outcome.BUSY, Remedy.NONE),
        (400, Outcome.REFUSED, Remedy.NONE),
        (502, Outcome.UNAVAILABLE, Remedy.ELSEWHERE),
        (301, Outcome.REFUSED, Remedy.NONE),
    ],
)
def test_a_reason_that_is_new_is_judged_by_its_status(status: int, outcome: Outcome, remedy: Remedy) -> None:
    found = verdict(status, {"reason": "SomethingNew"})
    assert (found.fate.outcome, found.remedy, found.fate.reason) == (outcome, remedy, "SomethingNew")


def test_retry_after_is_told_in_seconds() -> None:
    assert verdict(503, {}, retry_after=b"30").fate.retry_after_s == 30
    assert verdict(503, {}, retry_after=b"9" * 8).fate.retry_after_s == 86_400
    assert verdict(503, {}, retry_after=b"Fri, 31 Dec 1999 23:59:59 GMT").fate.retry_after_s == 0


@pytest.mark.parametrize(
    "body", [b"", b"[" * 4000, b"\xff\xfe", b"7", b'{"reason":{"a":1}}', b'{"reason":"a b\\n"}']
)
def test_a_body_that_says_nothing_gives_no_reason(body: bytes) -> None:
    assert verdict(400, body).fate.reason == ""


@given(st.integers(100, 599), st.binary(max_size=300))
def test_no_answer_raises(status: int, body: bytes) -> None:
    assert verdict(status, body).fate.status == status
