"""When new requests are refused for the load, and which."""

from __future__ import annotations

import pytest

from trunkline.ua.overload import BEGIN_AFTER, END_AFTER, Load, Overload, OverloadPolicy

pytestmark = [pytest.mark.rule("T-11")]


def overload(*, enabled: bool = True) -> Overload:
    made = Overload()
    made.policy = OverloadPolicy(enabled, lag_s=0.5, retry_after_s=5)
    return made


def measure(watched: Overload, times: int, lag_s: float = 0.0, *, losing: bool = False) -> Load:
    for _ in range(times):
        watched.measured(lag_s, losing=losing)
    return watched.level


def test_one_late_moment_is_no_overload() -> None:
    watched = overload()
    for _ in range(20):
        assert measure(watched, BEGIN_AFTER - 1, lag_s=5.0) is Load.NORMAL
        assert measure(watched, 1) is Load.NORMAL


@pytest.mark.parametrize(("lag_s", "losing"), [(0.5, False), (0.0, True)])
def test_a_load_that_lasts_begins_it_and_a_calm_that_lasts_ends_it(lag_s: float, losing: bool) -> None:
    watched = overload()
    assert measure(watched, BEGIN_AFTER, lag_s, losing=losing) is Load.CALLS
    assert measure(watched, 100, lag_s=0.3) is Load.CALLS, "below the limit is not yet calm"
    assert measure(watched, END_AFTER - 1) is Load.CALLS
    assert measure(watched, 1) is Load.NORMAL


def test_twice_the_load_refuses_all_that_is_new_until_it_sinks() -> None:
    watched = overload()
    assert measure(watched, BEGIN_AFTER, 1.0) is Load.ALL_NEW
    assert measure(watched, 1, 0.6) is Load.ALL_NEW
    assert measure(watched, 1, 0.4) is Load.CALLS


def test_messages_that_go_on_being_lost_refuse_all_that_is_new() -> None:
    watched = overload()
    assert measure(watched, 2 * BEGIN_AFTER, losing=True) is Load.CALLS
    assert measure(watched, 1, losing=True) is Load.ALL_NEW


def test_a_change_is_told_once() -> None:
    watched = overload()
    told = [watched.measured(1.0) for _ in range(BEGIN_AFTER + 5)]
    assert told.count(True) == 1


def test_switched_off_it_refuses_nothing_any_more() -> None:
    watched = overload()
    measure(watched, BEGIN_AFTER, lag_s=1.0)
    watched.policy = OverloadPolicy(enabled=False)
    assert watched.measured(9.0)
    assert watched.level is Load.NORMAL


@pytest.mark.parametrize(
    ("lag_s", "refused"),
    [(0.6, {"INVITE"}), (1.2, {"INVITE", "REGISTER", "SUBSCRIBE", "MESSAGE", "PUBLISH", "MADE-UP"})],
)
def test_calls_are_refused_before_anything_else_and_probes_never(lag_s: float, refused: set[str]) -> None:
    watched = overload()
    measure(watched, BEGIN_AFTER, lag_s)
    methods = ("INVITE", "REGISTER", "SUBSCRIBE", "MESSAGE", "PUBLISH", "MADE-UP", "OPTIONS")
    assert {method for method in methods if watched.refuses(method)} == refused
    assert sum(watched.refused.values()) == len(refused)
    assert "MADE-UP" not in watched.refused, "peers do not make up what we count by"


@pytest.mark.rfc("7339", "5.10.1")
@pytest.mark.parametrize(
    ("lag_s", "refused"), [(0.6, 100), (0.5, 100), (0.45, 80), (0.3, 20), (0.25, 0), (0.0, 0)]
)
def test_while_the_load_sinks_a_share_of_the_calls_is_refused(lag_s: float, refused: int) -> None:
    watched = overload()
    measure(watched, BEGIN_AFTER, lag_s=0.6)
    assert measure(watched, 1, lag_s) is Load.CALLS
    answers = [watched.refuses("INVITE", f"z9hG4bK{number}") for number in range(100)]
    assert abs(answers.count(True) - refused) <= 1
    assert watched.refused.get("INVITE", 0) == answers.count(True)


def test_an_invite_that_was_refused_stays_so_when_it_comes_again_behind_it() -> None:
    watched = overload()
    measure(watched, BEGIN_AFTER, lag_s=0.6)
    assert watched.refuses("INVITE", "z9hG4bK1")
    assert measure(watched, END_AFTER - 1) is Load.CALLS
    assert watched.refuses("INVITE", "z9hG4bK1"), "its caller has been told, and would not hear that it rings"
    assert not watched.refuses("INVITE", "z9hG4bK2")
    measure(watched, BEGIN_AFTER, lag_s=0.6)
    measure(watched, 50, lag_s=0.26)
    assert not watched.refuses("INVITE", "z9hG4bK1"), "in the end it is forgotten"


def test_what_is_remembered_of_the_refused_is_bounded() -> None:
    watched = overload()
    measure(watched, BEGIN_AFTER, lag_s=0.6)
    for number in range(60_000):
        assert watched.refuses("INVITE", f"z9hG4bK{number}")
    assert len(watched._lately) + len(watched._lately_before) <= 40_000


@pytest.mark.rfc("3261", "20.33")
def test_who_is_refused_comes_back_at_different_times() -> None:
    watched = overload()
    lines = {watched.retry_after(dice) for dice in range(256)}
    assert lines == {f"Retry-After: {seconds}\r\n" for seconds in range(5, 11)}
