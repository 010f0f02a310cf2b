"""Scripts for stand-ins that speak plain HTTP: what they answer instead of judging a push themselves."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_word = re.compile(r"([2-5][0-9]{2})(?::([0-9]{1,6}))?\Z").match
_OTHERS: Final = {"hang", "drop"}
_MOST: Final = 100_000


class BadAnswerError(ValueError):
    """What stands in a script and is no answer."""


@dataclass(frozen=True, slots=True)
class Scripted:
    """``status`` 0 is no answer: ``way`` is then ``hang`` (silence) or ``drop`` (the connection is closed)."""

    status: int
    retry_after_s: int = 0
    way: str = "answer"


class Answers:
    """Answers in order for whoever asks, and answers for one target each time it is asked for."""

    def __init__(self, scripts: Iterable[str] = ()) -> None:
        self._queue: deque[Scripted] = deque(maxlen=_MOST)
        self._of: dict[str, Scripted] = {}
        for script in scripts:
            target, found, rest = script.rpartition("=")
            if found:
                self.always(target, rest)
            else:
                self.then(script)

    def then(self, script: str) -> None:
        """Add to what is answered next, each word once: ``503,hang,200``. Raises BadAnswerError."""
        self._queue.extend([scripted(word) for word in script.split(",")])

    def always(self, target: str, word: str) -> None:
        """What this target's pushes get from now on."""
        if len(self._of) >= _MOST:
            raise BadAnswerError(f"more than {_MOST} targets")
        self._of[target] = scripted(word)

    def next(self, target: str) -> Scripted | None:
        """None: the stand-in judges by itself, as the service would."""
        if target in self._of:
            return self._of[target]
        return self._queue.popleft() if self._queue else None


def scripted(word: str) -> Scripted:
    """``200``, ``503:2`` (Retry-After: 2), ``hang`` or ``drop``. Raises BadAnswerError."""
    text = word.strip()
    if text in _OTHERS:
        return Scripted(0, way=text)
    match = _word(text)
    if match is None:
        raise BadAnswerError(f"{ascii(text)[1:-1][:40]} is no answer such as 200, 404, 503:2, hang or drop")
    return Scripted(int(match[1]), int(match[2] or 0))
