"""What goes to an endpoint beside the text, and what its answers mean."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from trunkline.base.errors import LocalProtocolError
from trunkline.net.http_client import Answer, ForbiddenUrlError
from trunkline.push.notification import Notification, Outcome, Purpose, PushAddress, Service
from trunkline.push.webpush.pusher import check_address, fate_of, headers_of, text_of

NOW = 1_700_000_000.0
P256DH = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"


def note(purpose: Purpose, **rest: Any) -> Notification:
    return Notification(
        PushAddress(Service.WEBPUSH, "https://push.test/1"), purpose, "id", {"type": "t"}, **rest
    )


@pytest.mark.rfc("8030", "5.2")
@pytest.mark.rfc("8030", "5.3")
def test_a_call_comes_now_or_never() -> None:
    headers = headers_of(note(Purpose.CALL, expires_at=NOW + 30), NOW)
    assert (headers["TTL"], headers["Urgency"]) == ("0", "high")
    assert "Topic" not in headers


@pytest.mark.rfc("8030", "5.2")
@pytest.mark.parametrize("purpose", [Purpose.ALERT, Purpose.BACKGROUND])
def test_all_else_may_wait(purpose: Purpose) -> None:
    headers = headers_of(note(purpose, expires_at=NOW + 60.5), NOW)
    assert (headers["TTL"], headers["Urgency"]) == ("60", "normal")
    assert headers_of(note(purpose), NOW)["TTL"] == "0"
    assert headers_of(note(purpose, expires_at=NOW + 1e9), NOW)["TTL"] == "2419200"


@pytest.mark.rfc("8030", "5.4")
def test_a_topic_is_short_and_of_url_safe_letters() -> None:
    assert headers_of(note(Purpose.ALERT, collapse="missed-1"), NOW)["Topic"] == "missed-1"
    long = headers_of(note(Purpose.ALERT, collapse="x" * 64), NOW)["Topic"]
    odd = headers_of(note(Purpose.ALERT, collapse="a b"), NOW)["Topic"]
    assert long != odd
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{32}", topic) for topic in (long, odd))


def test_the_text_is_one_object_of_texts() -> None:
    text = json.loads(text_of(note(Purpose.ALERT, title="Missed call", body="Änne")))
    assert text == {"title": "Missed call", "body": "Änne", "type": "t"}


@pytest.mark.rfc("8030", "7.3")
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (201, Outcome.SENT),
        (200, Outcome.SENT),
        (202, Outcome.SENT),
        (404, Outcome.GONE),
        (410, Outcome.GONE),
        (403, Outcome.MISMATCH),
        (413, Outcome.REFUSED),
        (400, Outcome.REFUSED),
        (401, Outcome.REFUSED),
        (302, Outcome.REFUSED),
        (429, Outcome.BUSY),
        (500, Outcome.UNAVAILABLE),
        (503, Outcome.UNAVAILABLE),
    ],
)
def test_each_status_has_its_meaning(status: int, outcome: Outcome) -> None:
    fate = fate_of(Answer(status, {"Retry-After": "5"}, b"whatever"), NOW)
    assert (fate.outcome, fate.status, fate.retry_after_s) == (outcome, status, 5.0)


def test_a_subscription_that_cannot_be_is_refused_early() -> None:
    def address(endpoint: str, p256dh: str = P256DH, auth: str = AUTH) -> PushAddress:
        return PushAddress(Service.WEBPUSH, endpoint, p256dh=p256dh, auth=auth)

    check_address(address("https://push.test/1"))
    for endpoint in ("http://push.test/1", "push.test", "", "https://u:p@push.test/"):
        with pytest.raises(ForbiddenUrlError):
            check_address(address(endpoint))
    for wrong in (address("https://push.test/1", "x"), address("https://push.test/1", auth="")):
        with pytest.raises(LocalProtocolError):
            check_address(wrong)
