"""What a media engine tells on its own: plain values that name the port and its owner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from trunkline.media.event import MediaEvent
from trunkline.media.sound_events import (
    Answered,
    ConsentLost,
    ExtensionSeen,
    KeepAliveBack,
    KeepAliveLost,
    PathChosen,
    PortSecured,
    SecurityFailed,
    ToneHeard,
    VoiceEnded,
    VoiceStarted,
)

__all__ = [
    "EVENTS",
    "Answered",
    "ConsentLost",
    "DigitsSent",
    "DtmfReceived",
    "EngineLeaving",
    "EngineLost",
    "ExtensionSeen",
    "KeepAliveBack",
    "KeepAliveLost",
    "MediaEvent",
    "PathChosen",
    "Played",
    "PortActive",
    "PortInactive",
    "PortLatched",
    "PortSecured",
    "RecordFailed",
    "Recorded",
    "SecurityFailed",
    "ToneEnded",
    "ToneHeard",
    "VoiceEnded",
    "VoiceStarted",
    "event_from_dict",
]


@dataclass(slots=True)
class PortLatched(MediaEvent):
    """A port listens to this source from now on, and sends there."""

    kind: ClassVar[str] = "latched"
    critical: ClassVar[bool] = False
    address: str
    source_port: int
    rtcp: bool
    """Whether it is the source of RTCP on a port of its own."""


@dataclass(slots=True)
class PortInactive(MediaEvent):
    """A port that should hear its peer has heard neither RTP nor RTCP; told once for each silence."""

    kind: ClassVar[str] = "inactive"
    silence_s: float
    """Seconds since the last packet, or since media was first expected."""


@dataclass(slots=True)
class PortActive(MediaEvent):
    """The peer is heard again after ``PortInactive``."""

    kind: ClassVar[str] = "active"


@dataclass(slots=True)
class EngineLost(MediaEvent):
    """The engine that has the owner's ports died, does not answer, or has forgotten them; told once for an owner.

    ``port`` is one of them. They pass no packets any more, as far as is known, until ``MoveOwner``
    opens them elsewhere.
    """

    kind: ClassVar[str] = "engine_lost"
    instance: str
    """Which one: ``udp:192.0.2.10:2223``."""
    reason: str
    """For people."""


@dataclass(slots=True)
class EngineLeaving(MediaEvent):
    """The engine that has the owner's ports is to be without calls soon: ``MoveOwner`` opens them elsewhere."""

    kind: ClassVar[str] = "engine_leaving"
    instance: str
    """Which one: ``udp:192.0.2.10:2223``."""


@dataclass(slots=True)
class DtmfReceived(MediaEvent):
    """The peer pressed and released a key; told once, however often its packets were repeated (RFC 4733)."""

    kind: ClassVar[str] = "dtmf"
    digit: str
    """``0`` to ``9``, ``*``, ``#``, ``A`` to ``D``, or ``!`` for hook flash."""
    duration_ms: int


@dataclass(slots=True)
class ToneEnded(MediaEvent):
    """A tone of limited duration came to its end."""

    kind: ClassVar[str] = "tone_ended"


@dataclass(slots=True)
class DigitsSent(MediaEvent):
    """The keys of one ``SendDigits`` were sent."""

    kind: ClassVar[str] = "digits_sent"
    digits: str


@dataclass(slots=True)
class Played(MediaEvent):
    """A playback is over; told once for each ``Play``, also when its port was closed meanwhile."""

    kind: ClassVar[str] = "played"
    playback: str
    outcome: Literal["finished", "stopped", "failed"]
    duration_ms: int
    """What was sent."""
    starved: int
    """Packets of silence sent because the disk was too slow."""
    code: str
    """Why it failed: ``media.file_unreadable``, ``media.file_format``; else empty."""
    reason: str
    """The same for people: the file, what was wrong, what is supported; else empty."""


@dataclass(slots=True)
class Recorded(MediaEvent):
    """A recording has ended and its file is complete. ``port`` may be closed already."""

    kind: ClassVar[str] = "recorded"
    recording: str
    file: str
    duration_ms: int
    voice_ms: int
    """How much of it was louder than silence, on any channel."""
    ended: Literal["stopped", "closed", "silence", "duration", "size"]
    """What ended it: ``StopRecord``, the port, or the limit of that name."""
    missing: int
    """Packets that are not in it: they came too late, were not G.711, or the disk was too slow for them."""


@dataclass(slots=True)
class RecordFailed(MediaEvent):
    """A recording could not begin or go on; the file has what was recorded until then, if anything."""

    kind: ClassVar[str] = "record_failed"
    recording: str
    file: str
    duration_ms: int
    code: str
    """``media.file_exists``, ``media.file_unwritable``, ``media.disk_full``, ``media.codec``."""
    reason: str
    """The same for people."""


EVENTS: dict[str, type[MediaEvent]] = {
    event.kind: event
    for event in (
        PortLatched,
        PortInactive,
        PortActive,
        EngineLeaving,
        EngineLost,
        DtmfReceived,
        ToneEnded,
        DigitsSent,
        Played,
        Recorded,
        RecordFailed,
        PortSecured,
        SecurityFailed,
        PathChosen,
        ConsentLost,
        VoiceStarted,
        VoiceEnded,
        ToneHeard,
        Answered,
        ExtensionSeen,
        KeepAliveLost,
        KeepAliveBack,
    )
}
"""Every event by its kind."""


def event_from_dict(data: dict[str, Any]) -> MediaEvent:
    """The event that ``to_dict`` wrote; KeyError for an unknown kind, TypeError for wrong fields."""
    return EVENTS[data["kind"]](**{name: value for name, value in data.items() if name != "kind"})
