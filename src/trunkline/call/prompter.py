"""Speaks to the party of a leg that ends at us: plays files, records what it says, hears its keys.

One thing at a time, as a script tells it; each is awaited. The party's end cancels the script, and the engine ends
what it does when the call's ports are closed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from trunkline.base.errors import MediaError
from trunkline.base.ids import uuid7
from trunkline.media.commands import Play, Record, StopPlay, StopRecord
from trunkline.media.events import DtmfReceived, MediaEvent, Played, Recorded, RecordFailed

if TYPE_CHECKING:
    from trunkline.call.context import CallContext

KEYS: Final = "0123456789*#ABCD"
"""Every key."""
_TYPED_AHEAD: Final = 32


class Prompter:
    """``start`` has the engine play, once a codec is agreed; ``port`` is the leg's."""

    def __init__(
        self, context: CallContext, owner: str, port: str, start: Callable[[Play], Awaitable[None]]
    ) -> None:
        self._context = context
        self._engine = context.engine
        self._port = port
        self._start = start
        self._play: Play | None = None
        self._recording = ""
        self._ends_by = ""
        self._typed: deque[str] = deque(maxlen=_TYPED_AHEAD)
        self._played: asyncio.Future[str] | None = None
        self._recorded: asyncio.Future[Recorded] | None = None
        self._pressed: asyncio.Future[str] | None = None
        # It ends with the call: the engine forgets the listeners of an owner that is closed.
        context.engine.subscribe(self._on_event, owner)

    async def play(self, files: Sequence[str], keys: str = "", *, loop: bool = False) -> str:
        """Play files to the end, or until one of ``keys`` is pressed, before or meanwhile: that key, else "".

        Raises MediaError when a file cannot be played.
        """
        if key := self._take_typed(keys):
            return key
        self._play = command = Play(self._port, uuid7(), list(files), loop=loop)
        self._ends_by = keys
        played: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._played = played
        over = False
        try:
            await self._start(command)
            key = await played
            over = not key
            return key
        finally:
            self._play = self._played = None
            if not over:
                await self._tell(StopPlay(self._port, command.playback))

    async def record(
        self, file: Path, *, max_duration_s: float = 120.0, silence_s: float = 0.0, keys: str = "#"
    ) -> Recorded:
        """Record what the party says, until one of ``keys`` is pressed or a limit is reached: see ``Record``.

        Raises MediaError when that is not possible.
        """
        self._typed.clear()
        recording = self._recording = uuid7()
        self._ends_by = keys
        recorded: asyncio.Future[Recorded] = asyncio.get_running_loop().create_future()
        self._recorded = recorded
        command = Record(self._port, recording, str(file), max_duration_s=max_duration_s, silence_s=silence_s)
        try:
            await self._engine.execute(command)
            return await recorded
        finally:
            self._recording, self._recorded = "", None
            await self._tell(StopRecord(recording))

    async def record_stop(self) -> None:
        """End the recording; ``record`` returns then."""
        if self._recording:
            await self._tell(StopRecord(self._recording))

    async def key(self, within_s: float) -> str:
        """The next key, pressed before or within so many seconds; "" when none was."""
        if key := self._take_typed(KEYS):
            return key
        pressed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._pressed = pressed
        try:
            async with asyncio.timeout(within_s):
                return await pressed
        except TimeoutError:
            return ""
        finally:
            self._pressed = None

    def press(self, key: str) -> None:
        """The party pressed a key."""
        if self._pressed is not None and not self._pressed.done():
            self._pressed.set_result(key)
        elif self._played is not None and key in self._ends_by and not self._played.done():
            self._played.set_result(key)
        elif self._recording and key in self._ends_by:
            self._context.spawn(self.record_stop())
        else:
            self._typed.append(key)

    def _take_typed(self, keys: str) -> str:
        """The first key typed ahead, when it is one of these."""
        if self._typed and self._typed[0] in keys:
            return self._typed.popleft()
        if keys:
            self._typed.clear()
        return ""

    def let_go(self) -> None:
        """The call is closed: nothing is played any more, and nothing here refers back."""
        self._start = _over

    async def _tell(self, command: StopPlay | StopRecord) -> None:
        with suppress(MediaError):  # the port may be closed by now
            await self._engine.execute(command)

    def _on_event(self, event: MediaEvent) -> None:
        if event.port != self._port:
            return
        if isinstance(event, DtmfReceived):
            self.press(event.digit)
        elif isinstance(event, Played):
            self._on_played(event)
        elif isinstance(event, Recorded | RecordFailed):
            self._on_recorded(event)

    def _on_played(self, event: Played) -> None:
        played = self._played
        if played is None or played.done() or self._play is None or event.playback != self._play.playback:
            return
        if event.outcome == "failed":
            played.set_exception(MediaError(event.reason, event.code))
        else:
            played.set_result("")

    def _on_recorded(self, event: Recorded | RecordFailed) -> None:
        recorded = self._recorded
        if recorded is None or recorded.done() or event.recording != self._recording:
            return
        if isinstance(event, Recorded):
            recorded.set_result(event)
        else:
            recorded.set_exception(MediaError(event.reason, event.code))


async def _over(_command: Play) -> None:
    raise MediaError("the call is over", "media.leg_over")
