"""Playbacks and keys under way: what their ends are told by."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, Literal

from trunkline.base.errors import MediaError
from trunkline.media.commands import Done, Play, SendDigits, StopPlay
from trunkline.media.events import DigitsSent, MediaEvent, Played
from trunkline.media.ng.call import NgPort
from trunkline.media.ng.playing import check_keys, play, send_key, stop

_DONE: Final = Done()


@dataclass(slots=True)
class _Playback:
    id: str
    began_at: float
    end: asyncio.TimerHandle | None


class Sounds:
    """What ports play and send; rtpengine tells the end of neither, so it is reckoned."""

    def __init__(
        self,
        tell: Callable[[MediaEvent], None],
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self._tell = tell
        self._spawn = spawn
        self._playing: dict[str, _Playback] = {}
        self._sending: dict[str, asyncio.Task[None]] = {}

    async def play(self, port: NgPort, command: Play) -> Done:
        """Ends what the port played before."""
        self._over(port, "stopped")
        try:
            lasts_ms = await play(port, command)
        except MediaError as error:
            if error.code != "media.file_unreadable":
                raise
            self._tell(
                Played(port.call.owner, port.id, command.playback, "failed", 0, 0, error.code, str(error))
            )
            return _DONE
        loop = asyncio.get_running_loop()
        end = None if command.loop else loop.call_later(lasts_ms / 1000, self._over, port, "finished")
        self._playing[port.id] = _Playback(command.playback, loop.time(), end)
        return _DONE

    async def stop_play(self, port: NgPort, command: StopPlay) -> Done:
        """Nothing when the port plays it no more."""
        playing = self._playing.get(port.id)
        if playing is not None and playing.id == command.playback:
            await self.hush(port)
        return _DONE

    async def hush(self, port: NgPort) -> None:
        """End what a port plays, whatever it is."""
        if port.id in self._playing:
            await stop(port)
            self._over(port, "stopped")

    def _over(self, port: NgPort, outcome: Literal["finished", "stopped"]) -> None:
        playing = self._playing.pop(port.id, None)
        if playing is None:
            return
        if playing.end is not None:
            playing.end.cancel()
        lasted = round((asyncio.get_running_loop().time() - playing.began_at) * 1000)
        self._tell(Played(port.call.owner, port.id, playing.id, outcome, lasted, 0, "", ""))

    async def send_digits(self, port: NgPort, command: SendDigits) -> Done:
        """One after the other; a second command waits for the first."""
        check_keys(port, command)
        before = self._sending.get(port.id)
        task = self._spawn(self._send(port, command, before))
        self._sending[port.id] = task
        task.add_done_callback(lambda done: self._sent(port.id, done))
        return _DONE

    def _sent(self, port: str, done: asyncio.Task[None]) -> None:
        if self._sending.get(port) is done:
            del self._sending[port]

    async def _send(self, port: NgPort, command: SendDigits, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait((before,))
        for key in command.digits.upper():
            async with port.call.lock:
                if port.link is None or port.call.lost:
                    return
                with contextlib.suppress(MediaError):
                    await send_key(port, port.link, key, command.duration_ms)
            await asyncio.sleep((command.duration_ms + command.gap_ms) / 1000)
        self._tell(DigitsSent(port.call.owner, port.id, command.digits))

    def interrupt(self, port: NgPort) -> None:
        """A port was moved: what it played is over; keys that wait are sent from where it is now."""
        self._over(port, "stopped")

    def forget(self, port: NgPort) -> None:
        """A port is closed: its playback is over, keys that wait are not sent."""
        self._over(port, "stopped")
        sending = self._sending.pop(port.id, None)
        if sending is not None:
            sending.cancel()
