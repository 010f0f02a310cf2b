"""The table of a hand-over: every pair is handled or declared ignored, every state can be reached and left."""

from __future__ import annotations

import pytest

from trunkline.mobile.hand_over import IGNORED, HandOver
from trunkline.mobile.words import ACCEPT, END, FINAL, INPUTS, OPEN, STATES, TAKEN_UP, TOLD

TABLE = HandOver.TABLE
PAIRS = [(state, what) for state in TABLE for what in INPUTS if state not in FINAL]


@pytest.mark.parametrize(("state", "what"), PAIRS)
def test_every_input_is_either_handled_or_declared_ignored(state: str, what: str) -> None:
    assert (what in TABLE[state]) != ((state, what) in IGNORED)


def test_what_is_ignored_is_a_pair_of_the_table_and_has_a_reason() -> None:
    assert set(IGNORED) <= set(PAIRS)
    assert all(IGNORED.values())


def test_every_state_can_be_reached_and_left() -> None:
    reached, new = {TOLD}, {TOLD}
    while new:
        new = {row[0] for state in new for row in TABLE[state].values()} - reached
        reached |= new
    assert reached == set(TABLE) == set(STATES) == {*OPEN, *TAKEN_UP, *FINAL}
    assert all(TABLE[state] for state in TABLE if state not in FINAL)


@pytest.mark.parametrize("state", FINAL)
def test_nothing_leads_out_of_a_final_state(state: str) -> None:
    assert TABLE[state] == {}


@pytest.mark.parametrize("state", [state for state in STATES if state not in FINAL])
def test_a_leg_that_is_gone_ends_it_in_every_state(state: str) -> None:
    assert TABLE[state][END][0] in FINAL


@pytest.mark.parametrize("state", STATES)
def test_only_an_open_call_can_be_accepted(state: str) -> None:
    assert (ACCEPT in TABLE[state]) == (state in OPEN)
