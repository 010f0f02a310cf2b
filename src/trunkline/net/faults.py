"""Exceptions of the layer above, caught at the sockets: counted, and logged once in a while per kind."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import PurePath
from typing import Final

import structlog

from trunkline.net.settings import Counters

_QUIET_S: Final = 60.0
_MAX_KINDS: Final = 256
_OTHERS: Final = "others"
_FRAMES: Final = 4
# What nobody sends by accident, over and over.
_OFFENCES: Final = frozenset({"net.framing_error", "net.websocket_refused"})

log = structlog.get_logger("net")


class FaultLog:
    """A fault that comes with every datagram must neither stop the listener nor fill the disk."""

    __slots__ = ("_clock", "_counters", "_kinds", "_on_offence")

    def __init__(
        self,
        counters: Counters,
        clock: Callable[[], float],
        on_offence: Callable[[tuple[str, int]], None] = lambda _peer: None,
    ) -> None:
        self._counters = counters
        self._clock = clock
        self._on_offence = on_offence
        self._kinds: dict[str, list[float]] = {}

    def caught(self, error: Exception, peer: tuple[str, int]) -> None:
        """Count an exception and log its first of a kind, then at most one a minute.

        The log has the type and the place but not the text of the error, which may quote what the peer sent.
        """
        self._counters.callback_errors += 1
        place = _place(error)
        count = self.due(f"{type(error).__name__} {place.partition(' ')[0]}")
        if count:
            log.error(
                "net.callback_failed", error=type(error).__name__, place=place, count=count, peer=peer[0]
            )

    def note(self, event: str, reason: str, peer: tuple[str, int], *, offence: bool = True) -> None:
        """Log a peer's misbehaviour, at most once a minute for each ``event`` and ``reason``.

        ``on_offence`` hears each time of those that speak for a scanner, unless this one does not.
        """
        if offence and event in _OFFENCES:
            self._on_offence(peer)
        count = self.due(f"{event} {reason}")
        if count:
            log.warning(event, reason=reason, count=count, peer=peer[0])

    def due(self, kind: str) -> int:
        """How many of this kind came since it was last logged, or 0 when it is not time to log it.

        A reason may hold what a peer sent, so that each is a kind of its own: beyond ``_MAX_KINDS`` a minute
        all others are one.
        """
        now = self._clock()
        entry = self._kinds.get(kind)
        if entry is None and len(self._kinds) >= _MAX_KINDS:
            self._forget_quiet(now)
            if len(self._kinds) >= _MAX_KINDS:
                kind = _OTHERS
                entry = self._kinds.get(kind)
        if entry is None:
            self._kinds[kind] = [now, 0]
            return 1
        entry[1] += 1
        if now - entry[0] < _QUIET_S:
            return 0
        count = int(entry[1])
        entry[0], entry[1] = now, 0
        return count

    def _forget_quiet(self, now: float) -> None:
        for kind in [kind for kind, entry in self._kinds.items() if now - entry[0] >= _QUIET_S]:
            del self._kinds[kind]


def _place(error: Exception) -> str:
    """The innermost calls, the innermost first: ``file:line < file:line``."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return " < ".join(f"{PurePath(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
