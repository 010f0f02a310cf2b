"""What an rtpengine does not tell by itself is asked for: silence, sources that were learnt, calls that it lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from trunkline.base.errors import MediaError
from trunkline.media.events import EngineLost, MediaEvent, PortActive, PortInactive, PortLatched
from trunkline.media.ng.call import NgCall, NgPort
from trunkline.media.ng.courier import Answer
from trunkline.media.ng.figures import fill, streams_of
from trunkline.media.ng.moving import UNKNOWN

_AT_ONCE: Final = 16
_PAUSE_S: Final = (1.0, 10.0)  # at least and at most, between two looks at a call


class Watch:
    """Looks at each call of ``calls`` in turn; ``tell`` is given what it finds."""

    def __init__(
        self, calls: Callable[[], Iterable[NgCall]], tell: Callable[[MediaEvent], None], inactivity_s: float
    ) -> None:
        self._calls = calls
        self._tell = tell
        self._inactivity_s = inactivity_s
        least, most = _PAUSE_S
        self.pause_s = min(most, max(least, inactivity_s / 4)) if inactivity_s else most

    async def run(self) -> None:
        """For ever, until it is cancelled."""
        gate = asyncio.Semaphore(_AT_ONCE)
        while True:
            await asyncio.sleep(self.pause_s)
            await asyncio.gather(*(self._look(call, gate) for call in list(self._calls())))

    async def _look(self, call: NgCall, gate: asyncio.Semaphore) -> None:
        async with gate:
            if call.instance.up and not call.lost:
                try:
                    self.take(call, await call.instance.ask("query", call_id=call.id))
                except MediaError as error:
                    if UNKNOWN in str(error) and call.ports and not call.lock.locked():
                        lose(call, "it does not know the call any more", self._tell)
        self.note_silence(call)

    def take(self, call: NgCall, answer: Answer) -> None:
        """What a ``query`` told."""
        now = asyncio.get_running_loop().time()
        for port in list(call.ports.values()):
            streams = streams_of(answer, port.id)
            if not streams:
                continue
            # What is known when its instance dies is all that there will be.
            fill(port.statistics, answer, port.link.id if port.link else "", port.earlier)
            heard = sum(stream.packets for stream in streams)
            if heard != port.heard:
                port.heard, port.heard_at = heard, now
                if port.silent:
                    port.silent = False
                    self._tell(PortActive(call.owner, port.id))
            source = streams[0].source
            if (
                streams[0].packets
                and source is not None
                and source not in {streams[0].signalled, port.source}
            ):
                port.source = source
                self._tell(PortLatched(call.owner, port.id, *source, rtcp=False))

    def note_silence(self, call: NgCall) -> None:
        """Tell ports that should hear their peer and do not; those of an instance that died hear nobody."""
        now = asyncio.get_running_loop().time()
        for port in list(call.ports.values()):
            if not _expects(port):
                port.heard_at = now
            elif self._inactivity_s and not port.silent and now - port.heard_at >= self._inactivity_s:
                port.silent = True
                self._tell(PortInactive(call.owner, port.id, now - port.heard_at))


def lose(call: NgCall, reason: str, tell: Callable[[MediaEvent], None]) -> None:
    """The call's ports are gone, or nobody knows: its owner is told once."""
    if call.lost or not call.ports:
        return
    call.lost = True
    tell(EngineLost(call.owner, next(iter(call.ports)), call.instance.name, reason))


def _expects(port: NgPort) -> bool:
    return port.receive and port.remote is not None and bool(port.remote.rtp_port and port.remote.address)
