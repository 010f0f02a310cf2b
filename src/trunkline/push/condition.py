"""How a provider does, as ``Pusher.health`` tells it."""

from __future__ import annotations

import time
from collections.abc import Callable

from trunkline.push.notification import Health, Service


class Condition:
    """Begins ``idle``; what is noted changes the word, and the time is kept since when it is as it is."""

    __slots__ = ("_service", "_since", "_wall", "_why", "_word")

    def __init__(self, service: Service, wall: Callable[[], float] = time.time) -> None:
        self._service = service
        self._wall = wall
        self._word, self._why, self._since = "idle", "", wall()

    def good(self) -> None:
        """The provider took something, or would have."""
        self._set("ready", "")

    def bad(self, why: str) -> None:
        """``why`` is fit for logs: no token, no key."""
        self._set("failing", why)

    def health(self) -> Health:
        return Health(self._service, self._word, self._why, self._since)

    def _set(self, word: str, why: str) -> None:
        if word != self._word:
            self._since = self._wall()
        self._word, self._why = word, why
