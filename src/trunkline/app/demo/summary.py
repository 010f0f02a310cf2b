"""What is told at the end: times, what was heard, the story."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trunkline.app.demo.steps import Span
from trunkline.base.messages import Explanation


@dataclass(frozen=True, slots=True)
class Heard:
    """The tone of ``hz`` that ``who`` heard of ``whom``, as loud as ``dbfs`` (0 is a sine at full scale)."""

    who: str
    whom: str
    hz: float
    dbfs: float


@dataclass(frozen=True, slots=True)
class Summary:
    """``times`` in milliseconds, None for what did not happen; ``stories`` are the gateway's calls."""

    times: tuple[tuple[Span, float | None], ...]
    heard: tuple[Heard, ...] = ()
    stories: tuple[Explanation, ...] = ()

    def lines(self) -> Iterator[tuple[str, str]]:
        """For people."""
        for span, took in self.times:
            yield span.text, "-" if took is None else f"{took:.1f} ms"
        for one in self.heard:
            yield f"the {one.who} hears the {one.whom}", f"{one.hz:g} Hz at {one.dbfs:.1f} dBFS"

    def figures(self) -> dict[str, Any]:
        """For programs."""
        times = {f"{span.code}_ms": None if took is None else round(took, 1) for span, took in self.times}
        heard = [
            {"who": one.who, "whom": one.whom, "hz": one.hz, "dbfs": round(one.dbfs, 1)} for one in self.heard
        ]
        return {**times, "heard": heard}
