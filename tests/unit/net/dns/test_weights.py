"""RFC 2782: priorities and weights."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tests.unit.net.dns.zone import srv
from trunkline.net.dns.weights import Dice, in_trial_order


def names(order: list[str], dice: Dice, **weights: int) -> list[str]:
    servers = [srv(name, weight=weights[name]) for name in order]
    return [server.target for server in in_trial_order(servers, dice)]


@pytest.mark.rfc("2782", "Weight")
@pytest.mark.parametrize(
    ("lots", "order"),
    [
        ([0, 0, 0], ["none", "small", "large"]),
        ([1, 0, 0], ["small", "none", "large"]),
        ([20, 0, 0], ["small", "none", "large"]),
        ([21, 0, 0], ["large", "none", "small"]),
        ([100, 20, 0], ["large", "small", "none"]),
    ],
)
def test_the_first_whose_running_sum_reaches_the_lot_is_drawn(lots: list[int], order: list[str]) -> None:
    left = list(lots)
    sums: list[int] = []

    def dice(most: int) -> int:
        sums.append(most)
        return left.pop(0)

    assert names(["small", "large", "none"], dice, small=20, large=80, none=0) == order
    assert sums[0] == 100


@pytest.mark.rfc("2782", "Priority")
def test_lower_priorities_come_first_whatever_their_weight() -> None:
    servers = [srv("late", priority=20, weight=65535), srv("first", priority=10), srv("last", priority=30)]
    assert [server.target for server in in_trial_order(servers, lambda most: most)] == [
        "first",
        "late",
        "last",
    ]


@pytest.mark.rfc("2782", "Weight")
def test_over_many_draws_each_server_is_first_as_often_as_it_weighs() -> None:
    source = random.Random(7)  # noqa: S311  (a test's repeatable dice)
    servers = [srv("a", weight=10), srv("b", weight=30), srv("c", weight=60), srv("d", weight=0)]
    draws = 20_000
    firsts = Counter(
        in_trial_order(servers, lambda most: source.randint(0, most))[0].target for _ in range(draws)
    )
    for name, share in (("a", 0.1), ("b", 0.3), ("c", 0.6)):
        assert firsts[name] / draws == pytest.approx(share, abs=0.015)
    assert 0 < firsts["d"] / draws < 0.02, "weight 0 has a very small chance"


def test_no_server_is_lost_or_doubled() -> None:
    source = random.Random(1)  # noqa: S311
    servers = [srv(str(index), weight=index % 4, priority=index % 3) for index in range(40)]
    order = in_trial_order(servers, lambda most: source.randint(0, most))
    assert sorted(order, key=str) == sorted(servers, key=str)
