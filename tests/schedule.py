"""Which process runs what when the tests run in several (``pytest --numprocesses 4``).

The tests with real peers mostly wait, all others keep a processor busy: it is over soonest when both are under way
all the time. What is long comes first, so that nobody is left over with it in the end.
"""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]  # it has no types

WAITING = "tests/interop/"
_ORDER = (WAITING, "tests/docs/", "tests/loopback/")
# Each page of the documentation is a test by itself; of other files all tests share their fixtures.
_PAGES = "tests/docs/test_pages.py"


def turn(item: pytest.Item) -> int:
    """The sort key of a test."""
    return next((turn for turn, folder in enumerate(_ORDER) if item.nodeid.startswith(folder)), len(_ORDER))


class Schedule(LoadFileScheduling):  # type: ignore[misc]  # hence
    """Hands out files in their order, those that wait to three processes in four at most."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if nodeid.startswith(_PAGES) else str(super()._split_scope(nodeid))

    def _assign_work_unit(self, node: Any) -> None:
        waiting = sum(map(self._waits, self.assigned_work.values()))
        may_wait = waiting < max(len(self.assigned_work) * 3 // 4, 1)
        units = (unit for unit in self.workqueue if unit.startswith(WAITING) == may_wait)
        self.workqueue.move_to_end(next(units, next(iter(self.workqueue))), last=False)
        super()._assign_work_unit(node)

    @staticmethod
    def _waits(units: dict[str, dict[str, bool]]) -> bool:
        """Whether a process with these units still has one that waits."""
        return any(unit.startswith(WAITING) and not all(done.values()) for unit, done in units.items())
