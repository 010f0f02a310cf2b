"""The contract of a media engine: embedded in this process, or a cluster of them elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from trunkline.media.commands import Command, R
from trunkline.media.events import MediaEvent
from trunkline.media.statistics import EngineCounters

Listener = Callable[[MediaEvent], None]


class MediaEngine(Protocol):
    """Carries out commands in the order given, and tells what happens at its ports."""

    async def start(self) -> None:
        """Begin to work; MediaError when addresses or ports cannot be used."""

    async def stop(self) -> None:
        """Close every port and end; may be called more than once."""

    async def execute(self, command: Command[R]) -> R:
        """Carry out a command; MediaError with a stable ``code`` when it is refused."""

    def subscribe(self, listener: Listener, owner: str | None = None) -> Callable[[], None]:
        """Call ``listener`` with each event, or only with those of one owner's ports; returns its end.

        A subscription to an owner ends with ``CloseOwner`` too.
        """

    def snapshot(self) -> EngineCounters:
        """Figures of the whole engine, for metrics."""
