"""What the log says of strangers is bounded, and so is what the settings take for a guard."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from trunkline.app.fence_log import MOST, WINDOW_S, FenceLog
from trunkline.app.settings.file import parse_settings
from trunkline.base.errors import ConfigError
from trunkline.base.story import Story
from trunkline.net.fence import Ban


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def story(code: str, *more: str) -> Story:
    told = Story(0.0)
    for each in (code, *more):
        told.add(0.0, each, f"why: {each}", source="192.0.2.7")
    return told


def test_attempts_fill_no_disk_and_the_next_line_says_how_many_there_were() -> None:
    clock, kept = Clock(), []
    voice = FenceLog(clock, lambda user, _story: kept.append(user))
    with capture_logs() as lines:
        for number in range(1000):
            voice.registration(f"{number}", story("auth.wrong"))
            voice.refused_call("192.0.2.8", story("auth.wrong"))
        assert len(lines) == MOST
        clock.now += WINDOW_S
        voice.registration("last", story("register.unknown_domain", "register.refused"))
    assert lines[0]["source"] == "192.0.2.7"
    assert lines[-1]["suppressed"] == 2000 - MOST
    assert kept == []


def test_what_phones_do_is_told_as_ever_and_each_ban_too() -> None:
    kept: list[str] = []
    voice = FenceLog(Clock(), lambda user, _story: kept.append(user))
    with capture_logs() as lines:
        for number in range(100):
            voice.registration(f"{number}", story("register.bound"))
            voice.banned(Ban(f"192.0.2.{number}", 0.0, 60.0, "ban.malformed"))
    assert len(kept) == 100
    assert [line["for_s"] for line in lines] == [60] * 100


@pytest.mark.parametrize(
    ("guard", "key", "expected"),
    [
        ({"trusted": ["10.0.0.1/8"]}, "guard.trusted[0]", "an address or a network"),
        ({"trusted": "example.com"}, "guard.trusted[0]", "an address or a network"),
        ({"trusted": 7}, "guard.trusted", "a list"),
        ({"attempts": 0}, "guard.attempts", "at least 1"),
        ({"first_s": 600.0, "longest_s": 60.0}, "guard.first_s", "first_s <= longest_s"),
        ({"trust": []}, "guard.trust", "trusted"),
    ],
)
def test_a_wrong_guard_is_explained(guard: dict[str, object], key: str, expected: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        parse_settings({"guard": guard}, "t.toml")
    assert wrong.value.key == key
    assert expected in f"{wrong.value.expected} {wrong.value.hint}"


def test_one_trusted_network_may_stand_alone() -> None:
    settings, _ = parse_settings({"guard": {"trusted": "2001:db8::/32"}}, "t.toml")
    assert [str(network) for network in settings.guard.networks] == ["2001:db8::/32"]
