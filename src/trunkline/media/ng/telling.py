"""What ports are told, and their instance by them. Of a call that is lost it is noted, and told where it goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Final

from trunkline.base.errors import MediaError
from trunkline.media import commands as c
from trunkline.media.ng.call import NgPort
from trunkline.media.ng.linking import gate, join, part, refresh
from trunkline.media.ng.sounds import Sounds

_DONE: Final = c.Done()

NOTED: Final = frozenset({c.SetRemote, c.SetFormats, c.SetDirection, c.SetPlain, c.Link, c.Unlink})
"""Commands that only say how things are to be: those of a lost call hold from the move on."""


class Telling:
    """``spawn`` starts a task; ``port`` finds one by its id, or raises MediaError."""

    def __init__(
        self,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        port: Callable[[str], NgPort],
        sounds: Sounds,
    ) -> None:
        self._spawn = spawn
        self._port = port
        self._sounds = sounds

    async def set_remote(self, port: NgPort, command: c.SetRemote) -> c.Done:
        """Where its peer is."""
        if command != port.remote:
            port.remote = command
            self._outdate(port)
        return _DONE

    async def set_formats(self, port: NgPort, command: c.SetFormats) -> c.Done:
        """How its peer speaks."""
        if command != port.formats:
            port.formats = command
            if port.convert:
                self._outdate(port)
        return _DONE

    async def set_direction(self, port: NgPort, command: c.SetDirection) -> c.Done:
        """Hold and resume."""
        port.send, port.receive = command.send, command.receive
        if port.call.here:
            await gate([port] if port.link is None else [port, port.link])
        return _DONE

    async def set_plain(self, port: NgPort, command: c.SetPlain) -> c.Done:
        """It never was anything else."""
        return _DONE

    async def link(self, port: NgPort, command: c.Link) -> c.Done:
        """With another port of the same call."""
        other = self._port(command.other)
        if other.call is not port.call:
            raise MediaError("rtpengine links ports of one call only", "media.not_with_rtpengine")
        fresh = port.link is other and other.link is port and not (port.stale or other.stale)
        if not fresh or port.convert != command.convert:
            await join(port, other, convert=command.convert)
        return _DONE

    async def unlink(self, port: NgPort, command: c.Unlink) -> c.Done:
        """And whatever else the port does."""
        if port.call.here:
            await self._sounds.hush(port)
        await part(port)
        return _DONE

    def _outdate(self, port: NgPort) -> None:
        """A link goes on by what was said anew. ``Link`` mostly follows at once, and leaves nothing to do."""
        port.stale = True
        if port.link is not None:
            self._spawn(self._catch_up(port))

    async def _catch_up(self, port: NgPort) -> None:
        async with port.call.lock:
            if port.stale and port.link is not None and not port.closed and port.call.here:
                with contextlib.suppress(MediaError):  # it is tried again with the next command
                    await refresh(port)
