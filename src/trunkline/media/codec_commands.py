"""Commands about formats: what a port's peer sends and takes, and links between peers that share no codec."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from trunkline.media.command import Command, Done

CODECS = ("PCMU", "PCMA", "G722", "opus", "L16")
"""The encoding names that the embedded engine encodes and decodes, as in ``a=rtpmap`` (RFC 8866 §6.6)."""


@dataclass(slots=True)
class Format:
    """One payload type of one direction, as an offer or answer gave it."""

    payload_type: int
    """0..127."""
    codec: str
    """One of ``CODECS``, or ``CN`` (RFC 3389), or ``telephone-event`` (RFC 4733); case does not matter."""
    clock_hz: int = 8000
    """The RTP clock: 8000 for G.722 too (RFC 3551 §4.5.2), 48000 for Opus (RFC 7587)."""
    channels: int = 1
    parameters: str = ""
    """As in ``a=fmtp``, without the payload type: ``useinbandfec=1;stereo=0``."""


@dataclass(slots=True)
class SetFormats(Command[Done]):
    """Tell a port what its peer may send, and in what to speak to it; again at every new offer or answer.

    Needed for whatever decodes or encodes: ``Link`` with ``convert``, ``Join``, ``Play``, ``Record``, ``Listen``,
    ``OpenAudio``. A port that only relays needs none. Refused with ``media.codec`` for a codec that is not there.
    """

    kind: ClassVar[str] = "set_formats"
    port: str
    receive: list[Format] = field(default_factory=list)
    """What the peer may send, by payload type; the first is what it will most likely send."""
    send: Format | None = None
    """The codec in which we speak to it; None: it takes nothing that we can speak."""
    send_events: Format | None = None
    """How we send it telephone events; None: it takes none, and keys of the other party are withheld from it."""
    ptime_ms: int = 20
    """The packet length that it asked for: 10, 20, 30, 40 or 60."""

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Reads what ``to_dict`` wrote."""
        fields = {name: value for name, value in data.items() if name != "kind"}
        fields["receive"] = [Format(**one) for one in fields.get("receive", ())]
        for name in ("send", "send_events"):
            if fields.get(name) is not None:
                fields[name] = Format(**fields[name])
        return cls(**fields)
