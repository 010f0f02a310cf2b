"""Ringback of our own, for a party that has a description already and hears nobody (RFC 3960 §3.2).

A phone that was given a description before plays no ringback by itself: it waits for ours. So does a party whose other
one hands it on. The next link of its port ends the signal.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from trunkline.base.errors import MediaError, RemoteProtocolError

if TYPE_CHECKING:
    from trunkline.call.call import Call
    from trunkline.call.leg import Leg


class RingBack:
    """``start`` lets ``leg`` hear that somebody rings; ``stop`` gives it back to whom it talked to."""

    __slots__ = ("_call", "_leg", "_ringing")

    def __init__(self, call: Call, leg: Leg) -> None:
        self._call = call
        self._leg = leg
        self._ringing = False

    def start(self) -> None:
        """Once, however often it is said that it rings."""
        steps = self._call.context.ringback
        if not self._ringing and steps and not self._leg.media.passes and not self._leg.done:
            self._ringing = True
            self._call.context.spawn(self._play())

    async def _play(self) -> None:
        # What cannot be played is not heard: no call ends by it.
        with suppress(MediaError, RemoteProtocolError):
            if self._ringing:
                await self._leg.media.ring_back(self._call.context.ringback)

    async def stop(self) -> None:
        """Nobody rings any more, and nobody else has come."""
        ringing, self._ringing = self._ringing, False
        bridge = self._call.bridge
        if ringing and bridge is not None and self._leg in bridge and not self._leg.done:
            with suppress(MediaError):
                await bridge.link()
