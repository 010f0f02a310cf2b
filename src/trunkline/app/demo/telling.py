"""How a play is told: a ladder for people, a line of JSON for each event for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from trunkline.app.demo.ladder import Ladder
from trunkline.app.demo.steps import Arrow, Step
from trunkline.app.demo.summary import Summary
from trunkline.app.render_stories import show_explanation
from trunkline.app.terminal import Screen, safe
from trunkline.base.message_codec import plain

READ_NEXT = (
    ("docs/tutorial/a-sleeping-phone.md", "this play, step by step"),
    ("docs/topics/calls-to-sleeping-phones.md", "what the gateway does, and why"),
    ("docs/how-to/mobile-gateway.md", "a gateway in front of your own PBX"),
    ("docs/how-to/ios-and-android.md", "what a real app does"),
    ("docs/how-to/develop-against-push.md", "the stand-ins of the push services for your own tests"),
)


class Teller(Protocol):
    """Is told everything, in order."""

    def scene(self, facts: Mapping[str, str]) -> None:
        """What runs where."""

    def chapter(self, title: str) -> None:
        """A part of the play begins."""

    def begins(self, text: str) -> None:
        """A step begins."""

    def arrow(self, arrow: Arrow) -> None:
        """Something went from one to another."""

    def done(self, step: Step) -> None:
        """A step is done."""

    def summary(self, summary: Summary) -> None:
        """All of it is done."""

    def failed(self, step: str, text: str) -> None:
        """A step was not."""


class LadderTeller:
    """Draws; ``parties`` are the columns."""

    def __init__(self, screen: Screen, parties: Sequence[str]) -> None:
        self._screen = screen
        self._ladder = Ladder(parties, screen.out.width if screen.out.is_terminal else None)

    def scene(self, facts: Mapping[str, str]) -> None:
        widest = max(map(len, facts))
        for name, value in facts.items():
            self._screen.line(f"{name.ljust(widest)}  {safe(value)}")

    def chapter(self, title: str) -> None:
        for line in self._ladder.chapter(title):
            self._screen.out.print(line, soft_wrap=True)

    def begins(self, text: str) -> None:
        self._screen.out.print(self._ladder.remark(text), soft_wrap=True)

    def arrow(self, arrow: Arrow) -> None:
        self._screen.out.print(self._ladder.arrow(arrow), soft_wrap=True)

    def done(self, step: Step) -> None:
        """Its arrows have shown it."""

    def summary(self, summary: Summary) -> None:
        screen = self._screen
        screen.line("")
        screen.line("How long it took" + (", and what was heard" if summary.heard else ""), "bold")
        widest = max(len(text) for text, _ in summary.lines())
        for text, value in summary.lines():
            screen.line(f"  {text.ljust(widest)}  {value}")
        for explanation in summary.stories:
            screen.line("")
            screen.line("What `trunkline explain` says of it, at the gateway", "bold")
            show_explanation(screen, replace(explanation, legs=()))
        screen.line("")
        screen.line("Read next", "bold")
        widest = max(len(page) for page, _ in READ_NEXT)
        for page, about in READ_NEXT:
            screen.line(f"  {page.ljust(widest)}  {about}")

    def failed(self, step: str, text: str) -> None:
        """The command says it, on standard error."""


class JsonTeller:
    """A line for each event; ``event`` is scene, arrow, step, summary or failed."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def scene(self, facts: Mapping[str, str]) -> None:
        self._line("scene", **facts)

    def chapter(self, title: str) -> None:
        """For people."""

    def begins(self, text: str) -> None:
        """For people."""

    def arrow(self, arrow: Arrow) -> None:
        self._line(
            "arrow",
            ms=round(arrow.ms, 1),
            way=arrow.way,
            source=arrow.source,
            target=arrow.target,
            label=arrow.label,
            note=arrow.note,
        )

    def done(self, step: Step) -> None:
        self._line("step", ms=round(step.ms, 1), step=step.code, text=step.text)

    def summary(self, summary: Summary) -> None:
        stories = [
            {"outcome": one.outcome, "status": one.status, "codes": [step.code for step in one.steps]}
            for one in summary.stories
        ]
        self._line("summary", **summary.figures(), stories=stories)

    def failed(self, step: str, text: str) -> None:
        self._line("failed", step=step, text=text)

    def _line(self, event: str, **data: Any) -> None:
        body = {"event": event, **plain(data)}
        self._screen.line(json.dumps(body, ensure_ascii=False, separators=(",", ":")))
