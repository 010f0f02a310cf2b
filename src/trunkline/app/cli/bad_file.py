"""What a file of extensions that cannot be imported is answered: every row that is wrong, and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trunkline.base.errors import TrunklineError

if TYPE_CHECKING:
    from trunkline.base.messages import RowProblem


class BadFile(TrunklineError):  # noqa: N818  (the file is bad, not the program)
    """Rows that cannot be imported, or a file that cannot be read (then ``line`` is 0 or where it broke)."""

    def __init__(self, path: Path, problems: Sequence[RowProblem]) -> None:
        self.path = path
        self.problems = tuple(problems)
        super().__init__(f"{path}: {len(self.problems)} problems")

    def lines(self, most: int = 20) -> list[str]:
        """One line per problem for people, ``most`` at most."""
        shown = [
            f"{self.path}:{one.line}: {one.detail}" if one.line else f"{self.path}: {one.detail}"
            for one in self.problems[:most]
        ]
        rest = len(self.problems) - most
        return [*shown, f"... and {rest} more"] if rest > 0 else shown
