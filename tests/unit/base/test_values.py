"""Values are told apart by what they hold."""

from __future__ import annotations

from dataclasses import field, replace

from trunkline.base.values import value


@value
class Place:
    street: str
    number: int = 1
    code: str = field(default="", repr=False)


def test_values_are_compared_and_hashed_by_what_they_hold() -> None:
    assert Place("Main Street") == Place("Main Street")
    assert len({Place("Main Street"), Place("Main Street"), Place("Main Street", 2)}) == 2
    assert replace(Place("Main Street"), number=2) == Place("Main Street", 2)


def test_what_is_not_for_logs_is_not_shown() -> None:
    assert repr(Place("Main Street", code="4711")) == "Place(street='Main Street', number=1)"
    assert not hasattr(Place("Main Street"), "__dict__")
