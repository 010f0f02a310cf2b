"""The sound of one conversation: a port of the media engine, what is agreed on it, what is played and recorded."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Final

from trunkline.app.phone.telling import Tell
from trunkline.base.errors import MediaError
from trunkline.base.ids import TokenPool
from trunkline.media.commands import (
    ClosePort,
    Command,
    Done,
    Echo,
    Family,
    OpenPort,
    ReadStatistics,
    SendDigits,
    SetDirection,
    Tone,
    Unlink,
)
from trunkline.media.engine import MediaEngine
from trunkline.media.events import DigitsSent, DtmfReceived, MediaEvent, Played, Recorded, RecordFailed
from trunkline.media.file_commands import Play, Record, StopRecord
from trunkline.media.identity import LocalPort, SdpIdentity
from trunkline.media.offer_answer import (
    ServiceMedia,
    agreed_for_service,
    answer_for_service,
    offer_for_service,
    streams_of,
)
from trunkline.media.remote import remote_of
from trunkline.media.statistics import PortStatistics
from trunkline.proto.sdp import Direction

SILENCE: Final = Tone("", 440.0, -96.0)
"""Packets without sound: they tell the other side where we are, as those of a muted phone do."""
RECORD_WAIT_S: Final = 5.0
KEY_WAIT_S: Final = 5.0
_POOL: Final = TokenPool()


class Sound:
    """``open`` before the first description, ``close`` at the end. ``codecs`` are names in our order."""

    def __init__(self, engine: MediaEngine, address: str, codecs: tuple[str, ...], tell: Tell) -> None:
        self._engine = engine
        self._address = address
        self._codecs = codecs
        self._tell = tell
        self._port = _POOL.token(16)
        self._local: LocalPort | None = None
        self._identity = SdpIdentity(int(_POOL.token(13), 16) | 1, address)
        self._doing: Command[Done] = SILENCE
        self._recording = ""
        self._tells_file = True
        self._unsubscribe = engine.subscribe(self._on_event, self._port)
        self.agreed: ServiceMedia | None = None
        self.held = False
        self.played = asyncio.Event()
        self.recorded = asyncio.Event()
        self._pressed = asyncio.Event()

    async def open(self) -> LocalPort:
        """Our port; raises MediaError when none is free."""
        if self._local is None:
            family: Family = "ipv6" if ":" in self._address else "ipv4"
            opened = await self._engine.execute(OpenPort(self._port, self._port, family))
            self._local = LocalPort(opened.advertised, opened.rtp_port, opened.rtcp_port)
        return self._local

    # Descriptions

    async def offer(self) -> bytes:
        """Our offer, or again what was agreed."""
        if self.agreed is not None:
            return self.again("sendrecv")
        return offer_for_service(await self.open(), self._identity, self._codecs).encode()

    async def answer(self, body: bytes) -> bytes:
        """Our answer to an offer; raises CallFailed 488 without a codec in common, RemoteProtocolError."""
        text, agreed = answer_for_service(_text(body), await self.open(), self._identity, self._codecs)
        await self._agree(agreed)
        return text.encode("utf-8", "surrogateescape")

    async def take_answer(self, body: bytes) -> None:
        """The other side's answer to our offer; raises as ``answer`` does."""
        await self._agree(agreed_for_service(_text(body), self._codecs))

    def again(self, direction: Direction) -> bytes:
        """What was agreed, offered with another direction: "sendonly" holds, "sendrecv" resumes (RFC 3264 §8.4)."""
        after = self._identity.body.split("\r\n", 2)[2]
        for old in ("sendonly", "recvonly", "inactive", "sendrecv"):
            after = after.replace(f"a={old}\r\n", f"a={direction}\r\n")
        return self._identity.stamp(after).encode("utf-8", "surrogateescape")

    async def _agree(self, agreed: ServiceMedia) -> None:
        stream = agreed.stream
        await self._engine.execute(
            remote_of(self._port, stream, streams_of(self._identity.body)[agreed.position])
        )
        theirs = stream.effective_direction
        sends, receives = theirs in {"sendrecv", "recvonly"}, theirs in {"sendrecv", "sendonly"}
        await self._engine.execute(SetDirection(self._port, send=sends, receive=receives))
        first = self.agreed is None
        self.agreed = agreed
        held, self.held = self.held, theirs in {"sendonly", "inactive"}
        if first:
            await self._resume()
        elif held != self.held:
            self._tell("held" if self.held else "resumed", by="peer")

    # What the other side hears

    async def echo(self) -> None:
        """What it says."""
        await self._do(Echo(self._port))

    async def tone(self, frequency_hz: float) -> None:
        """A steady sine."""
        await self._do(Tone(self._port, frequency_hz, -15.0))

    async def silence(self) -> None:
        """Nothing, in packets."""
        await self._do(SILENCE)

    async def play(self, file: Path, *, loop: bool = False) -> None:
        """A WAV file, by an absolute path, then silence."""
        self.played.clear()
        await self._do(Play(self._port, _POOL.token(8), [str(file)], loop=loop))

    async def press(self, key: str) -> bool:
        """Send a key within the sound (RFC 4733); False when the other side did not agree to that."""
        if self.agreed is None or self.agreed.telephone_event is None:
            return False
        self._pressed.clear()
        await self._engine.execute(SendDigits(self._port, key, self.agreed.telephone_event))
        with suppress(TimeoutError):
            async with asyncio.timeout(KEY_WAIT_S):
                await self._pressed.wait()
        return True

    async def _do(self, command: Command[Done]) -> None:
        self._doing = command
        await self._resume()

    async def _resume(self) -> None:
        agreed, command = self.agreed, self._doing
        if agreed is None:
            return
        if isinstance(command, Tone):
            command = Tone(self._port, command.frequency_hz, command.level_dbov, agreed.payload_type)
        elif isinstance(command, Play):
            command.payload_type = agreed.payload_type
        await self._engine.execute(command)

    # What we keep of it

    async def record(self, file: Path, *, tell: bool = True) -> None:
        """Into a new WAV file, by an absolute path; raises MediaError. ``tell`` is for files that stay."""
        await self.stop_recording()
        self.recorded.clear()
        name = _POOL.token(8)
        await self._engine.execute(Record(self._port, name, str(file)))
        self._recording = name
        self._tells_file = tell

    async def stop_recording(self) -> None:
        """The file is complete afterwards."""
        if self._recording:
            await self._engine.execute(StopRecord(self._recording))
            with suppress(TimeoutError):
                async with asyncio.timeout(RECORD_WAIT_S):
                    await self.recorded.wait()
            self._recording = ""

    def _on_event(self, event: MediaEvent) -> None:
        if isinstance(event, DtmfReceived):
            self._tell("dtmf", digit=event.digit, by="rtp")
        elif isinstance(event, DigitsSent):
            self._pressed.set()
        elif isinstance(event, Played):
            self._tell("played", outcome=event.outcome, reason=event.reason)
            self.played.set()
        elif isinstance(event, Recorded):
            if self._tells_file:
                self._tell("recorded", file=event.file, seconds=event.duration_ms / 1000, ended=event.ended)
            self.recorded.set()
        elif isinstance(event, RecordFailed):
            self._tell("record_failed", file=event.file, reason=event.reason)
            self.recorded.set()

    async def packets_in(self) -> int:
        """How many packets the other side was heard with so far."""
        if self._local is None:
            return 0
        return (await self._engine.execute(ReadStatistics(self._port))).statistics.packets_in

    async def close(self) -> PortStatistics | None:
        """Give the port back; its figures, None when it was never open."""
        self._pressed.set()
        try:
            if self._local is None:
                return None
            await self.stop_recording()
            await self._engine.execute(Unlink(self._port))
            return (await self._engine.execute(ClosePort(self._port))).statistics
        except MediaError:
            return None
        finally:
            self._unsubscribe()


def _text(body: bytes) -> str:
    return body.decode("utf-8", "surrogateescape")
