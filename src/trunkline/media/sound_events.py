"""What a media engine tells of voices, tones, encryption and paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from trunkline.media.event import MediaEvent


@dataclass(slots=True)
class PortSecured(MediaEvent):
    """Keys are agreed by DTLS."""

    kind: ClassVar[str] = "secured"
    suite: str
    """As in ``SUITES``."""


@dataclass(slots=True)
class SecurityFailed(MediaEvent):
    """The peer could not prove who it is, or nothing was agreed: nothing is sent or heard."""

    kind: ClassVar[str] = "security_failed"
    reason: str
    """For people: ``the certificate is not the one of the description``, ..."""


@dataclass(slots=True)
class PathChosen(MediaEvent):
    """The peer has nominated this pair (ICE)."""

    kind: ClassVar[str] = "path"
    address: str
    source_port: int


@dataclass(slots=True)
class ConsentLost(MediaEvent):
    """The peer's checks have stopped (RFC 7675): nothing is sent to it until they go on."""

    kind: ClassVar[str] = "consent_lost"


@dataclass(slots=True)
class VoiceStarted(MediaEvent):
    """Somebody begins to speak."""

    kind: ClassVar[str] = "voice_started"


@dataclass(slots=True)
class VoiceEnded(MediaEvent):
    """Nobody has spoken for as long as was asked."""

    kind: ClassVar[str] = "voice_ended"
    duration_ms: int
    """How long it was spoken."""


@dataclass(slots=True)
class ToneHeard(MediaEvent):
    """A signal of the network's or of a machine's was heard in the sound; once for each of its stretches."""

    kind: ClassVar[str] = "tone_heard"
    tone: Literal["ringback", "busy", "congestion", "dial", "special", "fax_calling", "fax_answering", "beep"]


@dataclass(slots=True)
class Answered(MediaEvent):
    """Who has answered, as far as the sound tells; once for each ``Listen``."""

    kind: ClassVar[str] = "answered"
    by: Literal["human", "machine", "fax", "unknown"]
    after_ms: int
    """How long that took."""


@dataclass(slots=True)
class ExtensionSeen(MediaEvent):
    """The header extension that is observed has another value than before."""

    kind: ClassVar[str] = "extension"
    data: str
    """In hexadecimal."""


@dataclass(slots=True)
class KeepAliveLost(MediaEvent):
    """The peer's packets with the header extension have stopped."""

    kind: ClassVar[str] = "keep_alive_lost"
    silence_ms: int


@dataclass(slots=True)
class KeepAliveBack(MediaEvent):
    """They come again."""

    kind: ClassVar[str] = "keep_alive_back"
