"""What the sound of a party tells a script: voices, signals of networks and machines, who has answered."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from trunkline.base.errors import MediaError
from trunkline.media.commands import Listen
from trunkline.media.events import Answered, MediaEvent, ToneHeard, VoiceEnded, VoiceStarted

if TYPE_CHECKING:
    from trunkline.media.engine import MediaEngine

Heard: TypeAlias = VoiceStarted | VoiceEnded | ToneHeard | Answered
_MOST_WAITING: Final = 64


class Hearing:
    """Listens while the ``async with`` lasts; an async iterator of what was heard since.

    ``voice`` tells ``VoiceStarted`` and ``VoiceEnded``, ``tones`` tells ``ToneHeard`` (ringback, busy, fax, ...),
    ``machine`` tells ``Answered`` once and the beep of an answering machine. Whatever else the script does goes on. Of
    more than 64 events that nobody took the oldest are forgotten. Raises MediaError when the engine cannot listen.
    """

    def __init__(
        self,
        engine: MediaEngine,
        owner: str,
        port: str,
        *,
        voice: bool = False,
        tones: bool = False,
        machine: bool = False,
    ) -> None:
        self._engine = engine
        self._owner = owner
        self._wanted = Listen(port, voice=voice, progress=tones, machine=machine)
        self._waiting: deque[Heard] = deque(maxlen=_MOST_WAITING)
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._unsubscribe = self._engine.subscribe(self._on_event, self._owner)
        try:
            await self._engine.execute(self._wanted)
        except BaseException:
            self._unsubscribe()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._unsubscribe()
        with suppress(MediaError):  # the port may be closed by now
            await self._engine.execute(Listen(self._wanted.port))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Heard:
        return await self.next()

    async def next(self, within_s: float | None = None) -> Heard:
        """The next event; raises TimeoutError when none comes within so many seconds."""
        async with asyncio.timeout(within_s):
            while not self._waiting:
                self._news.clear()
                await self._news.wait()
        return self._waiting.popleft()

    def _on_event(self, event: MediaEvent) -> None:
        if event.port == self._wanted.port and isinstance(event, Heard):
            self._waiting.append(event)
            self._news.set()
