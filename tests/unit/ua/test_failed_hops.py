"""Servers that failed are tried last, for a while."""

from __future__ import annotations

import pytest

from trunkline.net.dns import Hop
from trunkline.proto.sip.message import Response
from trunkline.ua.failed_hops import LONGEST_S, MOST_HOPS, FailedHops, retry_after_s


def hop(number: int) -> Hop:
    return Hop("UDP", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 5060, "a.test")


ONE, TWO, THREE = hop(1), hop(2), hop(3)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_failed_ones_come_last_and_the_first_to_recover_before_the_others() -> None:
    clock = Clock()
    failed = FailedHops(clock, keep_s=30)
    failed.add(ONE)
    failed.add(TWO, retry_after_s=10)
    assert failed.put_last([ONE, TWO, THREE]) == [THREE, TWO, ONE]
    clock.now += 10
    assert failed.put_last([ONE, TWO, THREE]) == [TWO, THREE, ONE]
    clock.now += 20
    assert failed.put_last([ONE, TWO, THREE]) == [ONE, TWO, THREE]
    assert len(failed) == 0


def test_one_that_answers_again_is_forgiven() -> None:
    failed = FailedHops(Clock())
    failed.add(ONE)
    failed.forget(ONE)
    failed.forget(TWO)
    assert not failed.failed(ONE)


@pytest.mark.parametrize(("asked", "kept"), [(0.0, 1.0), (100.0, 100.0), (86_400.0, LONGEST_S)])
def test_what_a_server_asks_for_has_bounds(asked: float, kept: float) -> None:
    clock = Clock()
    failed = FailedHops(clock)
    failed.add(ONE, asked)
    clock.now += kept - 0.1
    assert failed.failed(ONE)
    clock.now += 0.1
    assert not failed.failed(ONE)


def test_the_servers_that_are_remembered_are_bounded() -> None:
    failed = FailedHops(Clock())
    for number in range(MOST_HOPS + 10):
        failed.add(hop(number))
    assert len(failed) == MOST_HOPS
    assert not failed.failed(hop(0))
    assert failed.failed(hop(MOST_HOPS + 9))


@pytest.mark.rfc("3261", "20.33")
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 18000;duration=3600", 18000.0),
        ("120 (I'm in a meeting)", 120.0),
        ("soon", None),
        ("-1", None),
        ("9" * 50, None),
        ("", None),
    ],
)
def test_retry_after_is_read_or_left(value: str, seconds: float | None) -> None:
    assert retry_after_s(Response(503, "", {"Retry-After": value})) == seconds
    assert retry_after_s(Response(503, "", {})) is None
