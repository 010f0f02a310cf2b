"""A story: the typed steps that led to an outcome, filled by whoever decides.

Logs, call records, ``trunkline explain``, the API and the portal read this one object. A step's ``code`` is
stable (``area.what``, such as ``route.extension`` or ``auth.challenge``) and documented in
``docs/reference/story-codes.md``; its ``text`` is one English line for people; ``data`` holds small,
secret-free values for programs.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Value: TypeAlias = str | int | float | bool | None
MAX_STEPS = 200  # a peer that re-INVITEs for hours must not grow a call's memory


class Step:
    """One step: ``at`` in seconds of the story's clock, ``code``, ``text``, ``data``."""

    __slots__ = ("at", "code", "data", "text")

    def __init__(self, at: float, code: str, text: str, data: dict[str, Value] | None = None) -> None:
        self.at = at
        self.code = code
        self.text = text
        self.data = data

    def __repr__(self) -> str:
        return f"Step({self.code}: {self.text})"


class Story:
    """Steps in the order they happened; bounded by ``MAX_STEPS``, the last place kept for what came after."""

    __slots__ = ("dropped", "started", "steps")

    def __init__(self, started: float) -> None:
        self.started = started
        self.steps: list[Step] = []
        self.dropped = 0

    def add(self, at: float, code: str, text: str, **data: Value) -> None:
        """Append a step; beyond the bound the newest step replaces the last and ``dropped`` counts."""
        step = Step(at, code, text, data or None)
        if len(self.steps) < MAX_STEPS:
            self.steps.append(step)
        else:
            self.dropped += 1
            self.steps[-1] = step

    def extend(self, steps: list[Step]) -> None:
        """Take over the steps of a decision."""
        room = MAX_STEPS - len(self.steps)
        self.steps += steps[:room]
        if len(steps) > room:
            self.dropped += len(steps) - room
            self.steps[-1] = steps[-1]

    @property
    def last_code(self) -> str:
        return self.steps[-1].code if self.steps else ""

    def as_list(self) -> list[dict[str, Any]]:
        """Plain data: ``[{"ms": since start, "code": …, "text": …, **data}]``."""
        started = self.started
        return [
            {"ms": round((s.at - started) * 1000), "code": s.code, "text": s.text}
            if s.data is None
            else {"ms": round((s.at - started) * 1000), "code": s.code, "text": s.text, **s.data}
            for s in self.steps
        ]

    def lines(self) -> list[str]:
        """One line per step for people: ``  120 ms  route.extension  1002 is an extension``."""
        return [f"{round((s.at - self.started) * 1000):>7} ms  {s.code:<24}  {s.text}" for s in self.steps]
