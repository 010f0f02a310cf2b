"""The windows of nonce counts."""

from __future__ import annotations

import random

import pytest

from trunkline.proto.sip.replay import WINDOW, ReplayTable


def test_each_count_is_taken_once_in_any_order_within_the_window() -> None:
    table = ReplayTable()
    order = list(range(1, 50))
    random.Random(1).shuffle(order)  # noqa: S311  (a repeatable order)
    assert all(table.use(100, 7, count) for count in order)
    assert not any(table.use(100, 7, count) for count in order)
    assert len(table) == 1


def test_a_count_too_far_behind_the_highest_is_refused() -> None:
    table = ReplayTable()
    assert table.use(100, 7, 1000)
    assert table.use(100, 7, 1000 - WINDOW + 1)
    assert not table.use(100, 7, 1000 - WINDOW)
    assert not table.use(100, 7, 1)


def test_a_leap_to_the_highest_count_keeps_state_small() -> None:
    table = ReplayTable()
    assert table.use(100, 7, 1)
    assert table.use(100, 7, 2**32 - 1)
    assert not table.use(100, 7, 2**32 - 1)
    assert table.use(100, 7, 2**32 - 2)
    assert not table.use(100, 7, 1)


def test_zero_is_no_count() -> None:
    table = ReplayTable()
    assert not table.use(100, 7, 0)
    assert table.use(100, 7, 1)


def test_windows_of_other_keys_and_seconds_are_their_own() -> None:
    table = ReplayTable()
    assert table.use(100, 7, 1)
    assert table.use(100, 8, 1)
    assert table.use(101, 7, 1)
    assert len(table) == 3


def test_a_full_table_gives_up_its_oldest_second_and_lets_no_replay_through() -> None:
    table = ReplayTable(capacity=4)
    for second in (100, 100, 101, 102):
        assert table.use(second, len(table), 1)
    assert table.use(103, 9, 1)
    assert table.floor == 100
    assert len(table) == 3
    assert not table.use(100, 0, 1)
    assert not table.use(100, 99, 1)
    assert not table.use(101, 2, 1)


def test_a_table_full_of_one_second_refuses_newcomers_of_that_second_only() -> None:
    table = ReplayTable(capacity=2)
    assert table.use(100, 1, 1)
    assert table.use(100, 2, 1)
    assert not table.use(100, 3, 1)
    assert not table.use(99, 3, 1)
    assert table.use(100, 1, 2)
    assert table.use(101, 3, 1)


def test_the_table_never_outgrows_its_capacity() -> None:
    table = ReplayTable(capacity=50)
    chance = random.Random(2)  # noqa: S311  (repeatable)
    for _ in range(5000):
        table.use(chance.randrange(300), chance.getrandbits(60), chance.randrange(5))
        assert len(table) <= 50


def test_expired_seconds_are_forgotten() -> None:
    table = ReplayTable()
    table.use(100, 1, 1)
    table.use(200, 1, 1)
    table.forget_before(150)
    assert len(table) == 1
    assert not table.use(200, 1, 1)


def test_a_table_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="capacity"):
        ReplayTable(0)
