"""Faults of the layer above: counted always, logged seldom."""

from __future__ import annotations

import structlog

from trunkline.net.faults import FaultLog
from trunkline.net.settings import Counters

PEER = ("192.0.2.7", 5060)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def caught(error: Exception, log: FaultLog) -> None:
    try:
        fail(error)
    except Exception as raised:  # noqa: BLE001  (any kind is the point)
        log.caught(raised, PEER)


def fail(error: Exception) -> None:
    raise error


def test_a_kind_is_logged_at_first_and_then_once_a_minute_with_its_count() -> None:
    clock, counters = Clock(), Counters()
    faults = FaultLog(counters, clock)
    with structlog.testing.capture_logs() as logs:
        for _ in range(10):
            caught(KeyError("password"), faults)
        clock.now += 61
        caught(KeyError("password"), faults)
    assert [entry["count"] for entry in logs] == [1, 10]
    assert counters.callback_errors == 11
    assert logs[0]["place"].startswith("test_faults.py:")
    assert "password" not in str(logs)


def test_another_kind_is_logged_at_once() -> None:
    faults = FaultLog(Counters(), Clock())
    with structlog.testing.capture_logs() as logs:
        caught(KeyError(), faults)
        caught(ValueError(), faults)
        faults.note("net.framing_error", "too long", PEER)
        faults.note("net.framing_error", "too long", PEER)
    assert [entry["event"] for entry in logs] == [
        "net.callback_failed",
        "net.callback_failed",
        "net.framing_error",
    ]


def test_the_kinds_remembered_are_bounded() -> None:
    faults = FaultLog(Counters(), Clock())
    assert [faults.due(f"kind {number}") for number in range(1000)] == [1] * 257 + [0] * 743
    assert len(faults._kinds) == 257


def test_reasons_that_peers_make_up_fill_no_disk() -> None:
    """The Origin of a WebSocket stands in the reason, and anybody can send another each time."""
    clock = Clock()
    faults = FaultLog(Counters(), clock)
    with structlog.testing.capture_logs() as logs:
        faults.note("net.framing_error", "an honest one", PEER)
        for number in range(10_000):
            clock.now += 0.01
            faults.note("net.websocket_refused", f"invalid Origin header: https://{number}.example", PEER)
        told = len(logs)
        clock.now += 61
        faults.note("net.framing_error", "an honest one", PEER)
    assert told < 2 * 300, "of a hundred seconds"
    assert logs[-1]["reason"] == "an honest one"
    assert len(faults._kinds) <= 257
