"""Commands about sound files: play them to a port's peer, record what ports hear.

Files are read and written by threads of their own; none of these commands waits for a disk. What became of a
file is told by events: ``Played``, ``Recorded``, ``RecordFailed``. Whoever begins mints an id, which they name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from trunkline.media.command import Command, Done

Channels = Literal["mono", "stereo"]


@dataclass(slots=True)
class Play(Command[Done]):
    """Send WAV files to the peer, one after the other without a gap.

    They are spoken in the codec that ``SetFormats`` told, else in G.711, 20 ms a packet.

    Ends what the port did before, as ``Tone`` does; another command that does so ends it. All files are looked
    at before the first packet: one that cannot be played is told by ``Played`` with the outcome ``failed``.
    Files: RIFF WAVE with PCM of 8 or 16 bits or G.711, mono or stereo (mixed), 8000 to 48000 Hz (resampled).
    """

    kind: ClassVar[str] = "play"
    port: str
    """Or the id of a room: all in it hear it."""
    playback: str
    """The id that ``Played`` will name."""
    files: list[str]
    """Paths, in the order to be heard; 1 to 256."""
    payload_type: int = 0
    """0 for µ-law, 8 for A-law; of no matter once ``SetFormats`` told."""
    loop: bool = False
    """Begin again after the last file, until another command."""


@dataclass(slots=True)
class StopPlay(Command[Done]):
    """End a playback, told by ``Played`` with the outcome ``stopped``; nothing when the port plays it no more."""

    kind: ClassVar[str] = "stop_play"
    port: str
    playback: str


@dataclass(slots=True)
class Record(Command[Done]):
    """Record what a port hears, or a room, whatever else it does, into a new WAV file of 16 bits.

    It has 8000 Hz, or 16000 where ``SetFormats`` told of a codec with more; a file whose name ends in ``.opus`` is
    Ogg Opus (RFC 7845). The file keeps time: packets lie where their RTP timestamps put them, what never came is
    silence. Refused with ``media.codec`` when the port hears what cannot be decoded, ``media.recording``
    when this id is taken or a port is recorded four times already. Ends with exactly one of ``Recorded`` and
    ``RecordFailed``; when the port is closed, with the former.
    """

    kind: ClassVar[str] = "record"
    port: str
    """Or the id of a room, without ``other`` and in ``mono``."""
    recording: str
    """The id that the events will name."""
    file: str
    """The path of a file that does not exist yet; it will have the mode 0600."""
    other: str = ""
    """A second port, the other party's; empty: none."""
    channels: Channels = "mono"
    """With ``other``: ``stereo`` has the port left, the other right; ``mono`` mixes them.
    Without: ``mono`` has what the port hears; ``stereo`` besides, on the right, what it plays itself."""
    max_duration_s: float = 14_400.0
    """After so long it ends: 0.02 to 86400."""
    max_bytes: int = 2_000_000_000
    """At this size of the file it ends: at least 1000, under 4 GiB, which no WAV file reaches."""
    keep_free_bytes: int = 0
    """It fails with ``media.disk_full`` when the file system has less than this left."""
    silence_s: float = 0.0
    """Once something was said, it ends after so much silence; 0: never for that."""


@dataclass(slots=True)
class StopRecord(Command[Done]):
    """End a recording; its file is complete when ``Recorded`` is told. Nothing when it has ended already."""

    kind: ClassVar[str] = "stop_record"
    recording: str
