"""Who is to blame for a refused token: the table, and what it makes of a provider's answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from trunkline.push.doubts import MOST_AIMS, MOST_TOKENS_OF_CLAIMS, Doubts
from trunkline.push.notification import Fate, Health, Notification, Outcome, PushAddress, Service
from trunkline.push.trust import (
    DOUBTED,
    IGNORED,
    MOST_TOKENS,
    OTHER,
    PAUSE_S,
    SAME,
    TABLE,
    TAKEN,
    UNTRIED,
    Trust,
)

SENT = Fate(Outcome.SENT, 200)
WRONG = Fate(Outcome.MISMATCH, 400, "DeviceTokenNotForTopic")
SUSPECT = replace(WRONG, outcome=Outcome.SUSPECT)


def test_every_state_knows_every_answer_and_can_be_reached_and_left() -> None:
    answers = {(state, what) for state in TABLE for what in (TAKEN, OTHER, SAME)}
    assert {(state, what) for state, row in TABLE.items() for what in row} | set(IGNORED) == answers
    found = {UNTRIED}
    for _ in TABLE:
        found |= {to for state in found for to, _ in TABLE[state].values()}
    assert found == set(TABLE)
    assert all(any(to != state for to, _ in row.values()) for state, row in TABLE.items())


OURS = "com.example.app"


class Provider:
    """Nothing but a service whose aims are its apps; "none" has no aim."""

    service = Service.APNS

    def aim_of(self, address: PushAddress) -> str:
        return "" if address.app == "none" else address.app or OURS

    async def send(self, notification: Notification) -> Fate:
        raise AssertionError(notification)

    def health(self) -> Health:
        raise AssertionError

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Scene:
    """One provider's answers in virtual time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.doubts = Doubts(Provider(), lambda: self.now, lambda: self.now + 1e9)

    def hears(self, token: str, fate: Fate, app: str = "com.example.app") -> Outcome:
        return self.doubts.judged(_at(token, app), fate).outcome

    def all_hear(self, tokens: Iterable[str], fate: Fate = WRONG) -> list[Outcome]:
        return [self.hears(token, fate) for token in tokens]

    @property
    def word(self) -> str:
        return self.doubts.health(Health(Service.APNS, "ready")).word


def _at(token: str, app: str = "com.example.app", **rest: Any) -> PushAddress:
    return PushAddress(Service.APNS, token, app=app, **rest)


def test_while_nothing_was_ever_taken_no_token_is_given_up() -> None:
    scene = Scene()
    assert scene.all_hear("abcde") == [Outcome.SUSPECT] * 5
    assert scene.word == "suspect"


def test_the_next_push_that_is_taken_ends_the_alarm_and_single_tokens_are_given_up_again() -> None:
    scene = Scene()
    scene.all_hear("ab")
    assert scene.hears("c", SENT) is Outcome.SENT
    assert scene.word == "ready"
    assert scene.hears("a", WRONG) is Outcome.MISMATCH
    assert scene.hears("d", SENT) is Outcome.SENT
    assert scene.hears("b", WRONG) is Outcome.MISMATCH


def test_several_in_a_row_bring_the_doubt_back_after_one_token_at_most_was_given_up() -> None:
    scene = Scene()
    scene.hears("z", SENT)
    assert scene.hears("a", WRONG) is Outcome.MISMATCH
    assert scene.hears("b", WRONG) is Outcome.SUSPECT
    assert scene.word == "ready"
    assert scene.hears("c", WRONG) is Outcome.SUSPECT
    assert scene.word == "suspect"


def test_one_phone_that_is_called_again_and_again_says_nothing_about_the_settings() -> None:
    scene = Scene()
    scene.hears("z", SENT)
    assert scene.all_hear("aaaaaa") == [Outcome.MISMATCH] * 6
    assert scene.word == "ready"


@pytest.mark.scenario(6)
@pytest.mark.parametrize(
    "fate",
    [
        Fate(Outcome.GONE, 410, "Unregistered", since=5.0),
        Fate(Outcome.GONE, 404, "UNREGISTERED"),
        Fate(Outcome.BUSY, 429),
        Fate(Outcome.UNAVAILABLE, 503),
        Fate(Outcome.REFUSED, 403, "InvalidProviderToken"),
        Fate(Outcome.MISMATCH, reason="BadDeviceToken"),  # ours: what is no token was not sent
    ],
)
def test_what_is_said_of_one_phone_alone_stays_as_it_is(fate: Fate) -> None:
    scene = Scene()
    scene.all_hear("abc")
    assert scene.doubts.judged(_at("d"), fate) == fate
    assert scene.word == "suspect"


def test_each_app_is_judged_by_itself() -> None:
    scene = Scene()
    scene.hears("a", SENT, "com.example.app")
    scene.hears("a", SENT, "com.example.other")
    told = [scene.hears(token, WRONG, "com.example.other") for token in "bcd"]
    assert told == [Outcome.MISMATCH, Outcome.SUSPECT, Outcome.SUSPECT]
    assert scene.hears("c", WRONG, "com.example.app") is Outcome.MISMATCH
    health = scene.doubts.health(Health(Service.APNS, "ready"))
    assert "com.example.other" in health.why
    assert "com.example.app" not in health.why


def test_where_the_provider_names_no_settings_its_word_holds() -> None:
    scene = Scene()
    assert scene.hears("a", WRONG, app="none") is Outcome.MISMATCH
    assert scene.hears("a", SENT, app="none") is Outcome.SENT
    assert scene.word == "ready"


def test_a_token_that_was_spared_is_asked_about_again_after_a_pause() -> None:
    scene = Scene()
    scene.all_hear("a")
    assert scene.doubts.known(_at("a")) == SUSPECT
    assert scene.doubts.known(_at("b")) is None
    scene.now += PAUSE_S
    assert scene.doubts.known(_at("a")) is None
    assert scene.doubts.trouble_of(_at("a")) == "DeviceTokenNotForTopic"


def test_after_a_push_was_taken_every_token_is_asked_about_at_once() -> None:
    scene = Scene()
    scene.all_hear("ab")
    scene.hears("b", SENT)
    assert scene.doubts.known(_at("a")) is None
    assert scene.doubts.trouble_of(_at("a")) == ""


def test_a_token_that_was_given_up_is_asked_about_when_it_comes_again() -> None:
    scene = Scene()
    scene.hears("z", SENT)
    scene.hears("a", WRONG)
    assert scene.doubts.known(_at("a")) is None
    assert scene.doubts.trouble_of(_at("a")) == ""


def test_health_says_what_is_refused_since_when_and_what_to_look_at() -> None:
    scene = Scene()
    scene.hears("a", WRONG)
    scene.now += 60
    scene.hears("b", replace(WRONG, reason="BadDeviceToken"))
    health = scene.doubts.health(Health(Service.APNS, "ready", queued=3))
    assert (health.word, health.since, health.queued) == ("suspect", 1000.0 + 1e9, 3)
    for word in ("com.example.app", "BadDeviceToken", "bundle_id", "team_id", "[push.apns]"):
        assert word in health.why


def test_a_provider_that_fails_says_so_first() -> None:
    scene = Scene()
    scene.hears("a", WRONG)
    failing = Health(Service.APNS, "failing", "503 ServiceUnavailable", 5.0)
    assert scene.doubts.health(failing) == failing


def test_the_log_tells_each_alarm_once_and_its_end_and_no_token() -> None:
    scene = Scene()
    with capture_logs() as logs:
        scene.all_hear(["secret-a", "secret-b", "secret-a"])
        scene.hears("secret-c", SENT)
        scene.hears("secret-c", SENT)
    assert [(one["event"], one["log_level"]) for one in logs] == [
        ("push.suspect", "error"),
        ("push.trusted", "info"),
    ]
    assert "secret" not in str(logs)


def test_tokens_and_apps_that_are_remembered_are_bounded() -> None:
    trust = Trust()
    for token in range(MOST_TOKENS + 10):
        trust.refuse(token, WRONG, 0.0, 0.0)
    assert len(trust.refused) == MOST_TOKENS
    assert trust.state == DOUBTED
    scene = Scene()
    for app in range(MOST_AIMS + 1):
        scene.hears("a", WRONG, f"com.example.app{app}")
    assert scene.doubts.trouble_of(_at("a", "com.example.app0")) == ""
    assert scene.doubts.trouble_of(_at("a", "com.example.app1")) != ""
    for token in range(MOST_TOKENS_OF_CLAIMS):
        scene.hears(f"b{token}", WRONG, "com.example.app1")
    assert scene.doubts.trouble_of(_at("a", "com.example.app1")) == ""


def test_an_app_that_a_device_invents_is_no_alarm_until_something_was_taken_for_it() -> None:
    scene = Scene()
    with capture_logs() as logs:
        assert [scene.hears(token, WRONG, "com.example.invented") for token in "abc"] == [Outcome.SUSPECT] * 3
    assert scene.word == "ready"
    assert [one["log_level"] for one in logs] == ["warning"], "who looks for the reason finds it"
    assert scene.doubts.trouble_of(_at("c", "com.example.invented")) == "DeviceTokenNotForTopic"
    scene.hears("d", SENT, "com.example.invented")
    assert scene.doubts.trouble_of(_at("c", "com.example.invented")) == ""
    for token in "abc":
        scene.hears(token, WRONG, "com.example.invented")
    assert scene.word == "suspect"


def test_invented_apps_make_nobody_forget_what_is_known_of_those_that_are_there() -> None:
    scene = Scene()
    scene.hears("a", SENT, "com.example.other")
    scene.hears("b", WRONG, "")
    for app in range(2 * MOST_AIMS):
        scene.hears("a", WRONG, f"com.example.invented{app}")
    assert scene.word == "suspect", "the alarm of our own app stays"
    assert scene.doubts.trouble_of(_at("b")) == "DeviceTokenNotForTopic"
    assert scene.hears("c", WRONG, "com.example.other") is Outcome.MISMATCH, "it proved good"
