"""What Python can only print is told in a line, seldom, and without what a peer sent."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from trunkline.app.unraisable import UnraisableLog


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def a_wrong_name() -> SimpleNamespace:
    """As ssl tells of a server name that is no ASCII."""
    name = b"\xffpassword.example"
    try:
        name.decode("ascii")
    except UnicodeDecodeError as error:
        return SimpleNamespace(
            exc_type=type(error), exc_value=error, exc_traceback=error.__traceback__, object=name
        )
    raise AssertionError


def test_a_thousand_of_a_kind_are_two_lines_in_two_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    clock = Clock()
    UnraisableLog(clock).install()
    with capture_logs() as logs:
        for number in range(1000):
            clock.now = 100 + number * 0.1
            sys.unraisablehook(a_wrong_name())
    assert [(line["error"], line["log_level"]) for line in logs] == [("UnicodeDecodeError", "error")] * 2
    assert logs[0]["place"].startswith("test_unraisable.py:")
    assert "password" not in str(logs)


def test_without_a_place_it_is_told_too() -> None:
    with capture_logs() as logs:
        UnraisableLog()(SimpleNamespace(exc_type=None, exc_value=None, exc_traceback=None, object=None))
    assert [(line["error"], line["place"]) for line in logs] == [("unknown", "")]
