"""What a media engine tells on its own: plain values that name the port and its owner."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar


@dataclass(slots=True)
class MediaEvent:
    """Something happened at a port."""

    kind: ClassVar[str] = ""
    critical: ClassVar[bool] = True
    """Whether the engine keeps the event when nobody takes events for a while; others may be dropped."""

    owner: str
    port: str

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; ``kind`` names the class."""
        return {"kind": self.kind} | {field.name: getattr(self, field.name) for field in fields(self)}


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


EVENTS: dict[str, type[MediaEvent]] = {
    event.kind: event for event in (PortLatched, PortInactive, PortActive, DtmfReceived, ToneEnded)
}
"""Every event by its kind."""


def event_from_dict(data: dict[str, Any]) -> MediaEvent:
    """The event that ``to_dict`` wrote; KeyError for an unknown kind, TypeError for wrong fields."""
    return EVENTS[data["kind"]](**{name: value for name, value in data.items() if name != "kind"})
