"""Commands of applications: conferences, tones, listening for voices and tones, sound to and from a program."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self

from trunkline.media.command import Command, Done, Reply

SoundRate = Literal[8000, 16000, 24000, 48000]


@dataclass(slots=True)
class OpenRoom(Command[Done]):
    """Make a conference room. Its members each hear all others, never themselves (N-1)."""

    kind: ClassVar[str] = "open_room"
    room: str
    """The id that others name; whoever opens it mints it."""
    owner: str
    """Closed with ``CloseOwner`` too."""
    rate_hz: Literal[8000, 16000, 48000] = 16_000
    """The rate at which it mixes."""
    speakers: int = 4
    """How many of the loudest are heard at once: 1 to 16."""


@dataclass(slots=True)
class CloseRoom(Command[Done]):
    """End a room; its members fall silent."""

    kind: ClassVar[str] = "close_room"
    room: str


@dataclass(slots=True)
class Join(Command[Done]):
    """Put a port into a room, or change what it may there; ends what it did before. ``Unlink`` takes it out.

    Refused with ``media.unknown_room``; ``media.room_full`` above 200 members; ``media.codec`` without
    ``SetFormats``.
    """

    kind: ClassVar[str] = "join"
    port: str
    room: str
    gain_db: float = 0.0
    """What it says is made so much louder: -40 to 20."""
    muted: bool = False
    """It is not heard."""
    deaf: bool = False
    """It hears nobody."""


@dataclass(slots=True)
class ToneStep:
    """One step of a signal: up to four frequencies at once, or none, for so long."""

    frequencies_hz: list[float]
    duration_ms: int
    """0: for ever."""
    level_dbov: float = -16.0


@dataclass(slots=True)
class PlaySignal(Command[Done]):
    """Send a signal to the peer, in its codec: ringback, busy, a key's two tones; ends what the port did before.

    With ``over_link`` the port goes on with what it did, and the signal takes the place of what the other party, or the
    port itself, says. A signal without steps ends the one that sounds; so do ``Link`` and ``Unlink``. ``ToneEnded``
    tells the end of one that is not repeated. Without ``SetFormats`` it is spoken in G.711, as the peer speaks it.
    Refused with ``media.argument`` for more than 64 steps or 4 frequencies at once, and what no telephone carries.
    """

    kind: ClassVar[str] = "play_signal"
    port: str
    steps: list[ToneStep]
    repeat: bool = True
    over_link: bool = False

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Reads what ``to_dict`` wrote."""
        fields = {name: value for name, value in data.items() if name != "kind"}
        return cls(**(fields | {"steps": [ToneStep(**one) for one in fields["steps"]]}))


@dataclass(slots=True)
class Listen(Command[Done]):
    """Listen to what a port hears, whatever else it does; replaces what it listened for before.

    Decoding costs: a port that listens for anything leaves the kernel's path.
    """

    kind: ClassVar[str] = "listen"
    port: str
    keys: bool = False
    """Keys as tones in the sound (Q.23, Q.24): ``DtmfReceived``, unless the peer sends telephone events as well.
    While one is heard, silence goes to a linked peer that takes telephone events: it shall get the key as one, and
    not twice (``SendDigits``)."""
    voice: bool = False
    """``VoiceStarted`` and ``VoiceEnded``."""
    voice_end_ms: int = 800
    """So much silence ends a voice."""
    progress: bool = False
    """``ToneHeard``: ringback, busy, congestion, special information tones, fax."""
    machine: bool = False
    """Whether a machine answered, once: ``Answered``; and its beep: ``ToneHeard`` with ``beep``."""


@dataclass(slots=True)
class AudioOpened(Reply):
    """A socket to the engine's worker, of the type SOCK_SEQPACKET; the one who asked closes it.

    From the engine: ``A`` and samples (signed 16 bits, little-endian, mono, 20 ms); ``M`` and a mark's name, when
    what was written before it has been sent; ``S`` and a number (u32, little-endian): samples of silence that stood
    in for what was not heard. To the engine: ``A`` and 1 to 100 ms of samples; ``M`` and a name of up to 64 octets;
    ``C``: forget what waits, its marks are told at once. Up to 10 s wait to be spoken; beyond it the socket takes
    no more until there is room. What is not read within 2 s is dropped, the oldest first, and counted.
    """

    kind: ClassVar[str] = "audio_opened"
    fd: int


@dataclass(slots=True)
class OpenAudio(Command[AudioOpened]):
    """Give a program the sound of a port as PCM, and let it speak; closing the socket ends it, as ``Unlink`` does."""

    kind: ClassVar[str] = "open_audio"
    port: str
    rate_hz: SoundRate = 16_000
    speak: bool = True
    """It speaks to the peer: ends what the port did before. Otherwise it only hears, whatever else the port does."""


@dataclass(slots=True)
class SetExtension(Command[Done]):
    """Write an RTP header extension (RFC 8285, or the profile's own) into what a port sends, and observe the peer's.

    Without ``id`` it ends. All of it happens in the engine: ``ExtensionSeen`` tells changes, ``KeepAliveLost`` and
    ``KeepAliveBack`` whether the peer's packets with it keep coming.
    """

    kind: ClassVar[str] = "set_extension"
    port: str
    id: int | None = None
    """1..14 for the one-byte form; 0: the whole extension is ``data`` under ``profile``."""
    profile: int = 0xBEDE
    """The 16 bits that name the form: 0xBEDE for the one-byte form, others for a profile's own (ED-137: 0x0067)."""
    data: str = field(default="")
    """In hexadecimal: 1 to 16 octets for the one-byte form, else up to 64, a multiple of 4."""
    period_ms: int = 0
    """A packet without sound is sent with it so often while nothing else is; 0: never. 20 to 10000."""
    payload_type: int = 123
    """Of those packets."""
    timeout_ms: int = 0
    """``KeepAliveLost`` after so long without the peer's; 0: never."""
