"""What a stand-in for APNs is told to do with pushes: in order, for all of them or for one device."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

FATAL: Final = ("goaway", "hang", "reset", "drop", "refuse")
WORDS: Final = {
    400: "BadDeviceToken",
    403: "InvalidProviderToken",
    404: "BadPath",
    405: "MethodNotAllowed",
    410: "Unregistered",
    413: "PayloadTooLarge",
    429: "TooManyRequests",
    500: "InternalServerError",
    503: "ServiceUnavailable",
}
REFUSED_S: Final = 5.0

_step = re.compile(r"([a-z]+|[0-9]{3})(?::([A-Za-z]+|[0-9]+(?:\.[0-9]+)?))?").fullmatch


class BadScript(ValueError):  # noqa: N818  (what is bad is the script)
    """A step that is no outcome."""


@dataclass(frozen=True, slots=True)
class Step:
    """``status`` is answered, with ``reason``; 0 for one of the five that are no answer, whose name is ``word``.

    ``at`` is since when a token is dead (410), or for how many seconds connections are refused.

        goaway    the peer must send this one elsewhere; earlier ones are still answered
        hang      no answer, ever
        reset     the stream is refused (REFUSED_STREAM)
        drop      the connection breaks without a word
        refuse    the same, and no other is accepted for a while
    """

    status: int = 0
    reason: str = ""
    word: str = ""
    at: float | None = None

    @classmethod
    def of(cls, text: str) -> Step:
        """``200``, ``503``, ``403:ExpiredProviderToken``, ``410:1700000000``, ``hang``... Raises BadScript."""
        match = _step(text)
        name, detail = (match[1], match[2] or "") if match else ("", "")
        number = float(detail) if detail[:1].isdigit() else None
        if name in FATAL and not (detail and number is None):
            return cls(word=name, at=number)
        if name.isdigit() and 200 <= int(name) <= 599 and (number is None or name == "410"):
            status = int(name)
            reason = detail if number is None and detail else WORDS.get(status, "")
            return cls(status, reason, at=number)
        expected = "200, 503, 403:ExpiredProviderToken, 410:1700000000, goaway, hang, reset, drop or refuse:5"
        raise BadScript(f"saw {text!r}, expected {expected}")


class Script:
    """``next_for(token)``: the next step for this device, or else for anybody; None: judge it as Apple would.

    The last step of a list is for ever when a ``*`` stands behind it.
    """

    def __init__(self) -> None:
        self._all: deque[Step] = deque()
        self._of: dict[str, deque[Step]] = {}
        self._for_ever: dict[str, Step] = {}

    @classmethod
    def of(cls, texts: Iterable[str]) -> Script:
        """Lists by commas, each with ``TOKEN=`` in front when it is for one device. Raises BadScript."""
        script = cls()
        for text in texts:
            token, mark, steps = text.rpartition("=")
            script.add(steps, token=token if mark else "")
        return script

    def add(self, steps: str, *, token: str = "") -> None:
        """More steps behind those that wait. Raises BadScript."""
        token = token.lower()
        for_ever = steps.endswith("*")
        made = [Step.of(step.strip()) for step in steps.removesuffix("*").split(",") if step.strip()]
        if not made:
            raise BadScript("saw nothing, expected steps such as 503,hang,200")
        if for_ever:
            self._for_ever[token] = made.pop()
        (self._of.setdefault(token, deque()) if token else self._all).extend(made)

    def clear(self) -> None:
        """Forget all steps."""
        self._all.clear()
        self._of.clear()
        self._for_ever.clear()

    def next_for(self, token: str) -> Step | None:
        token = token.lower()
        if own := self._of.get(token):
            return own.popleft()
        if token in self._for_ever:
            return self._for_ever[token]
        if self._all:
            return self._all.popleft()
        return self._for_ever.get("")
