"""What is told of a play: arrows between its parties, steps that were done, and how to recognise one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from trunkline.base.errors import TrunklineError

CALLER: Final = "caller"
PBX: Final = "PBX"
GATEWAY: Final = "gateway"
PUSH: Final = "push"
APP: Final = "app"

Way: TypeAlias = Literal["sip", "rest", "push", "sound"]


class DemoFailed(TrunklineError):  # noqa: N818  (what was to happen did not)
    """``step`` is the code of the step that did not happen, "" before the first."""

    def __init__(self, text: str, step: str = "") -> None:
        super().__init__(text)
        self.step = step


@dataclass(frozen=True, slots=True)
class Arrow:
    """Something that went from one party to another, ``ms`` after the play began.

    ``label`` stands on the arrow ("INVITE", "POST /v1/calls/…/accept"), ``note`` beside it; ``good`` is False for a
    refusal, None for what is neither (a request). ``method`` is that of a SIP message, of its request for a response.
    """

    ms: float
    way: Way
    source: str
    target: str
    label: str
    note: str = ""
    good: bool | None = None
    method: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A step that is done; ``code`` is stable, ``text`` for people."""

    ms: float
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Recognises an arrow; what is "" may be anything. ``label`` is its beginning or, behind a ``*``, its end."""

    way: Way
    source: str = ""
    target: str = ""
    label: str = ""
    method: str = ""

    def fits(self, arrow: Arrow) -> bool:
        """Whether this arrow is meant."""
        label = self.label
        labelled = arrow.label.endswith(label[1:]) if label.startswith("*") else arrow.label.startswith(label)
        wanted = ((self.source, arrow.source), (self.target, arrow.target), (self.method, arrow.method))
        return self.way == arrow.way and labelled and all(one in {"", seen} for one, seen in wanted)


@dataclass(frozen=True, slots=True)
class Span:
    """A time worth telling: from the first arrow that fits ``begin`` to the first after it that fits ``end``."""

    code: str
    text: str
    begin: Mark
    end: Mark

    def of(self, arrows: list[Arrow]) -> float | None:
        """In milliseconds; None when one of both did not happen."""
        rest = iter(arrows)
        begun = next((arrow.ms for arrow in rest if self.begin.fits(arrow)), None)
        ended = next((arrow.ms for arrow in rest if self.end.fits(arrow)), None)
        return None if begun is None or ended is None else ended - begun
