"""The traces of one exchange: live ones, and what is kept of calls when the settings ask for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from trunkline.app.settings.trace import Trace
from trunkline.app.trace.archive import FOLDER, Archive, Files
from trunkline.app.trace.live import LiveTraces
from trunkline.app.trace.tracer import Tapped, Tracer
from trunkline.call.registry import Calls

_MEGABYTE = 1_000_000
_HOUR_S = 3600.0


class Tracing:
    """Make it on the running loop; ``start`` once ``net`` listens, ``stop`` before it closes."""

    def __init__(
        self, net: Tapped, calls: Calls, data: Path, settings: Trace, wall: Callable[[], float]
    ) -> None:
        self._tracer = Tracer(net, wall)
        self.live = LiveTraces(self._tracer, calls)
        self.archive: Archive | None = None
        if settings.keep:
            files = Files(data / FOLDER, settings.size_mb * _MEGABYTE, settings.age_h * _HOUR_S)
            self.archive = Archive(self._tracer, files, bodies=settings.bodies, wall=wall)

    def start(self) -> None:
        """Keep, if that is wanted."""
        if self.archive is not None:
            self.archive.start()

    async def flush(self) -> None:
        """What was seen so far can be read from the files afterwards."""
        if self.archive is not None:
            await self.archive.flush()

    async def stop(self) -> None:
        """End every live trace; write what is left to be kept."""
        self.live.stop_all()
        if self.archive is not None:
            await self.archive.stop()
