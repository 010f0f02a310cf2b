"""When calls in progress are written down; what is written is tested with whole calls in tests/link."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from trunkline.call import checkpoints
from trunkline.call.checkpoints import MATURE_S, SLICE, SWEEP_S, Checkpoints
from trunkline.call.registry import Calls
from trunkline.model.kept_call import KeptCall


class Journal:
    """Counts what is written at a time."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def write(self, calls: Sequence[KeptCall]) -> None:
        self.sizes.append(len(calls))

    def gone(self, calls: Iterable[tuple[str, str]]) -> None:
        """Nothing."""

    def alive(self, node: int, at: float) -> None:
        """Nothing."""

    async def on_disk(self) -> None:
        """At once."""


def ringing(number: int) -> Any:
    leg = SimpleNamespace(outcome=SimpleNamespace(answered_at=None))
    return SimpleNamespace(
        id=f"{number}", tenant="t", legs=[leg], started_at=0.0, has_apps=False, on_closed=None
    )


@pytest.mark.parametrize(
    ("due", "at_a_time", "sweeps"), [(1, 1, 1), (50, 1, 1), (300, 6, 1), (1000, SLICE, 1), (3000, SLICE, 3)]
)
def test_what_is_due_is_written_evenly_until_the_next_sweep(
    monkeypatch: pytest.MonkeyPatch, due: int, at_a_time: int, sweeps: int
) -> None:
    monkeypatch.setattr(checkpoints, "written_form", lambda _call: "{}")
    calls, journal = Calls(), Journal()
    for number in range(due):
        calls.add(ringing(number))
    kept = Checkpoints(calls, journal, 1, lambda: MATURE_S)
    now = 10.0
    while kept.written < due:
        now = kept.step(now)
    assert sum(journal.sizes) == due
    assert max(journal.sizes) == at_a_time
    assert now <= 10.0 + sweeps * SWEEP_S + 0.001
