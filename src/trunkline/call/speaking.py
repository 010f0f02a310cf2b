"""What a script does with the caller whom we answered: speak to it, hear it, record it, give its sound to a program."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from trunkline.base.errors import LocalProtocolError
from trunkline.call.hearing import Hearing
from trunkline.media.signals import COUNTRIES, signal_of

if TYPE_CHECKING:
    from trunkline.call.context import CallContext
    from trunkline.call.service import ServiceMedia
    from trunkline.media.audio import AudioStream
    from trunkline.media.events import Recorded
    from trunkline.media.signals import SignalName
    from trunkline.media.sound_commands import SoundRate


class Speaking:
    """Of a call; each of these raises LocalProtocolError before ``call.answer()``."""

    id: str
    context: CallContext
    service: ServiceMedia | None

    @property
    def answered_here(self) -> ServiceMedia:
        """The media of the caller whom we answered."""
        if self.service is None:
            raise LocalProtocolError("nobody was answered here: call.answer() comes first")
        return self.service

    async def play(self, *sounds: str | Path, keys: str = "", loop: bool = False) -> str:
        """Play prompts or WAV files to the caller whom we answered: see ``ServiceMedia.play``."""
        return await self.answered_here.play(*sounds, keys=keys, loop=loop)

    async def record(
        self, file: Path, *, max_duration_s: float = 120.0, silence_s: float = 0.0, keys: str = "#"
    ) -> Recorded:
        """Record what the caller says whom we answered: see ``ServiceMedia.record``."""
        service = self.answered_here
        return await service.record(file, max_duration_s=max_duration_s, silence_s=silence_s, keys=keys)

    async def record_stop(self) -> None:
        """End what ``record`` does."""
        await self.answered_here.prompter.record_stop()

    async def key(self, within_s: float) -> str:
        """The next key of the caller whom we answered, pressed before or within so many seconds; else ""."""
        return await self.answered_here.prompter.key(within_s)

    async def signal(self, name: SignalName, country: str = "") -> None:
        """Let the caller hear a signal until something else is done: ringback, busy, congestion, ...

        ``country`` is one of ``COUNTRIES``; without it, the exchange's own ringback or else the signals of the USA.
        """
        service = self.answered_here
        if country and country.upper() not in COUNTRIES:
            raise LocalProtocolError(
                f"no signals of country {country!r}, expected one of {', '.join(COUNTRIES)}"
            )
        known = self.context.ringback if name == "ringback" and not country else ()
        await service.signal(known or signal_of(country or "US", name))

    async def ringback(self, country: str = "") -> None:
        """Let the caller hear that somebody rings."""
        await self.signal("ringback", country)

    def listen(self, *, voice: bool = False, tones: bool = False, machine: bool = False) -> Hearing:
        """What the caller's sound tells, as events: ``async with call.listen(voice=True) as heard``."""
        service = self.answered_here
        return Hearing(self.context.engine, self.id, service.port, voice=voice, tones=tones, machine=machine)

    @asynccontextmanager
    async def audio(self, rate_hz: SoundRate = 16_000, *, speaks: bool = True) -> AsyncIterator[AudioStream]:
        """The caller's sound as frames of samples, and a way to speak to it: see ``AudioStream``.

        ``async with call.audio(16_000) as stream``; at its end the stream is closed.
        """
        stream = await self.answered_here.open_audio(rate_hz, speaks=speaks)
        try:
            yield stream
        finally:
            stream.close()

    async def play_samples(self, samples: bytes, rate_hz: SoundRate = 16_000) -> None:
        """Speak what lies in memory: signed 16 bits, little-endian, mono; returns when it has been spoken."""
        async with self.audio(rate_hz) as stream:
            await stream.write(samples)
            await (await stream.mark("end"))
