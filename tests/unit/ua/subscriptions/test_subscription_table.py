"""What holds for the table of a subscription, whatever it does."""

from __future__ import annotations

import pytest

from trunkline.ua.subscriptions import subscription
from trunkline.ua.subscriptions.subscription import ENDED, IGNORED, INPUTS, QUIET, Subscription

TABLE = Subscription.TABLE


@pytest.mark.parametrize("state", TABLE)
@pytest.mark.parametrize("what", INPUTS)
def test_every_input_is_either_handled_or_declared_ignored(state: int, what: int) -> None:
    if state == ENDED:
        assert not TABLE[state]
    else:
        assert (what in TABLE[state]) != ((state, what) in IGNORED)


def test_what_is_ignored_is_a_pair_of_the_table_and_has_a_reason() -> None:
    for (state, what), reason in IGNORED.items():
        assert state in TABLE
        assert what in INPUTS
        assert reason


def reachable(first: int) -> set[int]:
    """The states that a walk along the table comes to."""
    found: set[int] = set()
    ahead = [first]
    while ahead:
        state = ahead.pop()
        if state not in found:
            found.add(state)
            ahead += [following for following, _ in TABLE[state].values()]
    return found


@pytest.mark.rfc("6665", "4.2")
@pytest.mark.rule("T-38")
def test_every_state_is_reached_and_leads_to_the_end() -> None:
    assert reachable(QUIET) == set(TABLE)
    for state in TABLE:
        assert ENDED in reachable(state)


def test_who_ends_is_forgotten_last() -> None:
    for rows in TABLE.values():
        for following, actions in rows.values():
            if following == ENDED:
                assert actions[-1] is Subscription.forget


@pytest.mark.rfc("5057", "5.1")
def test_what_destroys_a_usage_is_what_the_rfc_lists() -> None:
    assert {
        404,
        405,
        408,
        410,
        416,
        480,
        481,
        482,
        483,
        484,
        485,
        489,
        501,
        502,
        604,
    } == subscription.DESTROYING
