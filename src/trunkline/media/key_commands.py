"""The command that presses keys: telephone events (RFC 4733), or tones in the sound, towards a port's peer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trunkline.media.command import Command, Done


@dataclass(slots=True)
class SendDigits(Command[Done]):
    """Send keys to the peer, one after the other, whatever else the port does.

    As a telephone event each is one RTP event of the port's own stream: while it is sent, a tone, playback or echo of
    the port is not heard. What is relayed from a linked port goes on. As tones (ITU-T Q.23), in the codec of
    ``SetFormats`` or else in G.711 as the peer speaks it, they take the place of everything, also of what is relayed.

    ``DigitsSent`` tells when they are sent; not, when the port is closed before. Refused with ``media.digits_full``
    while more than 64 would wait at the port, ``media.argument`` for what is no key.
    """

    kind: ClassVar[str] = "send_digits"
    port: str
    digits: str
    """1 to 64 of ``0`` to ``9``, ``*``, ``#``, ``A`` to ``D``."""
    payload_type: int
    """That of telephone events which the peer takes, 96 to 127 (or 35 to 63). Their clock is ``SetRemote.clock_hz``.
    0: the peer takes none, they are sent as tones."""
    duration_ms: int = 100
    """How long each is held: 40 to 8000, counted in steps of 20."""
    gap_ms: int = 60
    """From the end of one to the next: 40 to 8000, counted in steps of 20."""
