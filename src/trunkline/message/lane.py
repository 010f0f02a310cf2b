"""What waits for one reader: texts in order, one on its way at a time (RFC 3428 §8)."""

from __future__ import annotations

import asyncio
from collections import deque

from trunkline.base.story import Story
from trunkline.base.wheel import Timer
from trunkline.model.text import Text


class Waiting:
    """A text in a lane. Its writer waits for ``answer``, or has been told that the text is ``kept``.

    ``keeping`` is its way into the store, from when it began; ``may_keep`` whether it may go there at all; ``faults``
    how often its reader has answered that it cannot take it.
    """

    __slots__ = ("answer", "faults", "keeping", "kept", "may_keep", "story", "text")

    def __init__(self, text: Text, story: Story, *, may_keep: bool) -> None:
        self.text = text
        self.story = story
        self.may_keep = may_keep
        self.keeping: asyncio.Future[None] | None = None
        self.kept = False
        self.faults = 0
        self.answer: asyncio.Future[int] | None = None

    def tell(self, outcome: int | Exception) -> None:
        """Give the writer its answer, if it waits for one."""
        if self.answer is not None and not self.answer.done():
            if isinstance(outcome, int):
                self.answer.set_result(outcome)
            else:
                self.answer.set_exception(outcome)


class Lane:
    """``away`` while the reader takes nothing; ``sending`` while the first text is on its way."""

    __slots__ = ("attempts", "away", "key", "retry", "sending", "texts", "why", "woken")

    def __init__(self, key: tuple[str, str]) -> None:
        self.key = key
        self.texts: deque[Waiting] = deque()
        self.sending = False
        self.woken = False  # the reader came back while we were still trying where it was before
        self.away = False
        self.attempts = 0
        self.retry: Timer | None = None
        self.why = ""  # what the last attempt brought
