"""A dry run's steps, as they are told."""

from __future__ import annotations

from trunkline.app.explain.hints import hint_of
from trunkline.app.explain.stages import stage_of
from trunkline.base.messages import Explanation, StoryStep
from trunkline.base.story import Step, Value


class Telling:
    """Steps in the order of the stages, until one of them refuses. ``over`` tells that it has."""

    def __init__(self) -> None:
        self.steps: list[StoryStep] = []
        self.over = False
        self.status = 0

    def tell(self, code: str, text: str, hint: str = "", **data: Value) -> None:
        """One more step."""
        self.steps.append(StoryStep(0, code, text, dict(data), stage_of(code), hint))

    def refuse(self, status: int, code: str, text: str, hint: str = "") -> None:
        """The step that ends it, with the SIP status that the phone gets; 0 when it gets no answer."""
        self.over, self.status = True, status
        hint = hint or hint_of(code, text, {"status": status})
        if status:
            self.tell(code, text, hint, status=status)
        else:
            self.tell(code, text, hint)

    def take(self, steps: list[Step]) -> None:
        """Steps of a decision."""
        for step in steps:
            self.tell(
                step.code, step.text, hint_of(step.code, step.text, step.data or {}), **(step.data or {})
            )

    def explanation(self, subject: str, outcome: str = "", text: str = "") -> Explanation:
        """What it comes to: the refusal, or else ``outcome`` and ``text``."""
        last = self.steps[-1]
        if self.over or not outcome:
            return Explanation(
                subject=subject,
                outcome=last.code,
                text=last.text,
                status=self.status,
                steps=tuple(self.steps),
                hint=last.hint,
                dry_run=True,
            )
        return Explanation(
            subject=subject, outcome=outcome, text=text, status=0, steps=tuple(self.steps), dry_run=True
        )
