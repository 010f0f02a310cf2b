"""The table of a client registration: every pair is handled or declared ignored, every state can be reached."""

from __future__ import annotations

import pytest

from trunkline.ua.registrations.asking import GONE, WAITING
from trunkline.ua.registrations.outcome import INPUTS
from trunkline.ua.registrations.registration import IGNORED, Registration

TABLE = Registration.TABLE
PAIRS = [(state, what) for state in TABLE for what in INPUTS if state != GONE]


@pytest.mark.parametrize(("state", "what"), PAIRS)
def test_every_input_is_either_handled_or_declared_ignored(state: int, what: int) -> None:
    assert (what in TABLE[state]) != ((state, what) in IGNORED)


def test_what_is_ignored_is_a_pair_of_the_table_and_has_a_reason() -> None:
    assert set(IGNORED) <= set(PAIRS)
    assert all(IGNORED.values())


def test_every_state_can_be_reached_and_left() -> None:
    reached, new = {WAITING}, {WAITING}
    while new:
        new = {row[0] for state in new for row in TABLE[state].values()} - reached
        reached |= new
    assert reached == set(TABLE)
    assert all(TABLE[state] for state in TABLE if state != GONE)


def test_who_is_gone_does_nothing() -> None:
    assert TABLE[GONE] == {}
