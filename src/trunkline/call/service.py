"""A leg that ends at our own media engine: echo, tones, prompts, recordings."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from trunkline.base.errors import CallFailed, MediaError, RemoteProtocolError
from trunkline.call.leg import Info
from trunkline.call.manner import tell_manner
from trunkline.call.prompter import Prompter
from trunkline.call.sip_info import key_of
from trunkline.media import offer_answer
from trunkline.media.audio import AudioStream
from trunkline.media.commands import Echo, Join, OpenAudio, Play, PlaySignal, Tone
from trunkline.media.events import Recorded
from trunkline.media.identity import SdpIdentity
from trunkline.media.offer_answer import (
    agreed_for_service,
    answer_for_service,
    check_answer,
    offer_for_service,
    streams_of,
)

if TYPE_CHECKING:
    from trunkline.call.call import Call
    from trunkline.call.leg import Leg
    from trunkline.media.sound_commands import SoundRate, ToneStep

_Doing: TypeAlias = Echo | Tone | Play | PlaySignal | Join


class ServiceMedia:
    """The agreed media of a service leg, and what the engine does on its port."""

    __slots__ = (
        "_agreed",
        "_begun",
        "_call",
        "_doing",
        "_engine",
        "_held",
        "_leg",
        "_port",
        "_prompter",
        "media",
    )

    def __init__(self, call: Call, leg: Leg) -> None:
        self._call = call
        self._leg = leg
        self._engine = call.context.engine
        self._port = ""
        self._doing: _Doing | None = None
        self._begun = False  # the engine does it; another codec is no reason to begin again
        self._held = False  # by a change of the party's: it sends, if anything, what is not for us
        self._agreed = asyncio.Event()
        self._prompter: Prompter | None = None
        self.media: offer_answer.ServiceMedia | None = None

    async def agree(self, offer: bytes) -> bytes:
        """Our description: the answer to the caller's offer, or an offer when it sent none."""
        media = self._leg.media
        local = await media.open_one(here=True)
        self._port = media.ports[0] or ""
        if not offer:
            dress = media.dress(offer=True)
            return offer_for_service(local, media.identity, dress=dress).encode()
        dress = media.dress(offer=False)
        text, self.media = answer_for_service(_text(offer), local, media.identity, dress=dress)
        await self._hear(asked=True)
        return text.encode("utf-8", "surrogateescape")

    async def _hear(self, *, asked: bool) -> None:
        media = self._leg.media
        if self.media is not None:
            told = streams_of(media.told)[self.media.position]
            await media.hear([self.media.stream], [told], self.media.position)
            await media.serve(self.media, asked=asked)
            if media.secured:
                tell_manner(self._call, self._leg)
            self._agreed.set()

    async def acknowledged(self, body: bytes) -> None:
        """The ACK; it answers when we have offered."""
        if self.media is not None:
            return
        try:
            check_answer(streams_of(self._leg.media.told), body)
            self.media = agreed_for_service(_text(body))
            again = self._agreed.is_set()
            await self._hear(asked=False)
            if again:
                await self._hold()
            await self._resume()
        except (CallFailed, RemoteProtocolError, MediaError) as error:
            self._call.tell("call.bad_answer", str(error))
            self._call.hang_up(code="call.bad_answer")

    async def offered(self, body: bytes) -> None:
        """A re-INVITE: hold, resume, a new address. We answer for ourselves, at once."""
        leg = self._leg
        try:
            if body:
                leg.answer_offer(await self.agree(body))
                await self._hold()
                await self._resume()
            else:
                self.media = None
                leg.answer_offer(offer_again(leg.media.identity))
        except (CallFailed, RemoteProtocolError) as error:
            leg.refuse_offer(error.status)
        except MediaError:
            leg.refuse_offer(503)

    def serves(self, leg: Leg) -> bool:
        """Whether this is the party that ends at us."""
        return leg is self._leg

    async def echo(self) -> None:
        """Send back what the caller says, until it hangs up."""
        await self._start(Echo(self._port))

    async def tone(self, frequency_hz: float = 440.0, level_dbov: float = -15.0) -> None:
        """Play a sine tone until the caller hangs up."""
        await self._start(Tone(self._port, frequency_hz, level_dbov))

    async def signal(self, steps: Sequence[ToneStep]) -> None:
        """Repeat a signal until something else is done."""
        await self._start(PlaySignal(self._port, list(steps)))

    async def join(self, command: Join) -> None:
        """Be in a conference room until something else is done; again to change how one is heard there.

        A party that holds the call is not heard, whatever its phone plays meanwhile.
        """
        command.port = self._port
        await self._start(command)

    async def play(self, *sounds: str | Path, keys: str = "", loop: bool = False) -> str:
        """Play prompts by their names, or WAV files by their paths, one after the other without a gap.

        Returns when all were heard, or when the caller presses one of ``keys``, before or meanwhile: that key, else
        "". With ``loop`` only a key ends it. Raises MediaError when a sound is not there or cannot be played.
        """
        files = [self._call.context.sounds.find(sound) for sound in sounds]
        try:
            return await self.prompter.play(files, keys, loop=loop)
        finally:
            if isinstance(self._doing, Play):
                self._doing = None

    async def open_audio(self, rate_hz: SoundRate = 16_000, *, speaks: bool = True) -> AudioStream:
        """The caller's sound for a program, which speaks to it too, unless it only listens to whatever is done else.

        Returns when caller and we have agreed on a codec. Raises MediaError when the engine cannot.
        """
        await self._agreed.wait()
        if speaks:
            self._doing = None
        return await AudioStream.open(self._engine, OpenAudio(self._port, rate_hz, speaks))

    async def record(
        self, file: Path, *, max_duration_s: float = 120.0, silence_s: float = 0.0, keys: str = "#"
    ) -> Recorded:
        """Record what the caller says into a new WAV file.

        Returns when the caller presses one of ``keys``, after ``max_duration_s`` seconds, or after ``silence_s``
        seconds of silence that follow a voice (0: never for that). Raises MediaError when that is not possible.
        """
        return await self.prompter.record(file, max_duration_s=max_duration_s, silence_s=silence_s, keys=keys)

    def hear_info(self, info: Info) -> None:
        """A message within the call: key presses of phones that send them by INFO count like others."""
        key = key_of(info)
        if key and self._prompter is not None:
            self._prompter.press(key)

    @property
    def number(self) -> str:
        """Whose it is: the caller's, or that of a party that a transfer has left here."""
        leg = self._leg
        return self._call.caller.number if leg is self._call.legs[0] else leg.outcome.number

    @property
    def port(self) -> str:
        """The engine's, by which the caller is heard."""
        return self._port

    @property
    def prompter(self) -> Prompter:
        """What plays, records and hears keys."""
        if self._prompter is None:
            self._prompter = Prompter(self._call.context, self._call.id, self._port, self._start)
        return self._prompter

    def let_go(self) -> None:
        """The call is closed: nothing here refers back any more."""
        if self._prompter is not None:
            self._prompter.let_go()

    @property
    def doing(self) -> Echo | Tone | None:
        """What the engine was told to do and would do for ever, also for another process."""
        return self._doing if isinstance(self._doing, Echo | Tone) else None

    async def carry_on(self, command: Echo | Tone) -> None:
        """Do what another process did before it died."""
        self._port = command.port
        self._doing, self._begun = command, True
        await self._engine.execute(command)

    async def _start(self, command: _Doing) -> None:
        self._doing, self._begun = command, False
        await self._resume()

    async def _resume(self) -> None:
        """Begin, when there is an agreement by now."""
        command = self._doing
        if self.media is not None and command is not None and not self._begun:
            self._begun = True
            if isinstance(command, Join) and self._held:
                command = replace(command, muted=True)
            await self._engine.execute(command)

    async def _hold(self) -> None:
        held = self.media is not None and self.media.direction in {"recvonly", "inactive"}
        if held != self._held:
            self._held = held
            if isinstance(self._doing, Join):
                self._begun = False  # it is to be heard there no more, or again


def offer_again(identity: SdpIdentity) -> bytes:
    """What was agreed, as our offer, in answer to a re-INVITE without one.

    A later offer has the m-lines of the session so far (RFC 3264 §8), and nobody is on hold by our wish.
    """
    after = identity.body.split("\r\n", 2)[2]
    for direction in ("sendonly", "recvonly", "inactive"):
        after = after.replace(f"a={direction}\r\n", "a=sendrecv\r\n")
    return identity.stamp(after).encode("utf-8", "surrogateescape")


def _text(body: bytes) -> str:
    return body.decode("utf-8", "surrogateescape")
