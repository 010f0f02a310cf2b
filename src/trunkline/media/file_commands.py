"""Commands about sound files: play them to a port's peer, record what ports hear.

Files are read and written by threads of their own; none of these commands waits for a disk. What became of a
file is told by events: ``Played``, ``Recorded``, ``RecordFailed``. Whoever begins mints an id, which they name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from trunkline.media.command import Command, Done

Channels = Literal["mono", "stereo"]


@dataclass(slots=True)
class Play(Command[Done]):
    """Send sound files to the peer, one after the other without a gap.

    They are spoken in the codec that ``SetFormats`` told, else in G.711, 20 ms a packet.

    Ends what the port did before, as ``Tone`` does; another command that does so ends it. All files are looked
    at before the first packet: one that cannot be played is told by ``Played`` with the outcome ``failed``.
    One that turns out to be damaged further on is played up to there, and has failed too.
    Files: RIFF WAVE with PCM of 8, 16, 24 or 32 bits, float or G.711, mono or stereo (mixed), 8000 to 48000 Hz
    (resampled); Ogg Opus (RFC 7845), mono or stereo, chained streams one after the other; by their names, raw samples
    of 16 bits, little-endian (``.raw`` and ``.sln`` at 8000 Hz, ``.sln12``, ``.sln16``, ``.sln24``, ``.sln32``,
    ``.sln44``, ``.sln48``), G.711 (``.ulaw``, ``.ul``, ``.alaw``, ``.al``) and G.722 (``.g722``). An entry
    ``memory:ID`` is what ``LoadSound`` loaded; one that is not there refuses the command with ``media.memory``.
    """

    kind: ClassVar[str] = "play"
    port: str
    """Or the id of a room: all in it hear it."""
    playback: str
    """The id that ``Played`` will name."""
    files: list[str]
    """Paths or ``memory:ID``, in the order to be heard; 1 to 256."""
    payload_type: int = 0
    """0 for µ-law, 8 for A-law; of no matter once ``SetFormats`` told."""
    loop: bool = False
    """Begin again after the last file, until another command."""


@dataclass(slots=True)
class LoadSound(Command[Done]):
    """Keep a sound in memory, which ``Play`` names as ``memory:ID``; one of that id before is replaced.

    Refused with ``media.memory`` when all sounds would have more than 64 MiB, or there are 4096; ``media.argument``
    for what is no sound. Sounds belong to no port: they stay until ``DropSound`` or the end of the engine.
    """

    kind: ClassVar[str] = "load_sound"
    sound: str
    """The id."""
    data: str = field(repr=False)
    """Samples of 16 bits, little-endian, one channel, in base64; with the rate 0 all of a WAV or Ogg Opus file."""
    rate_hz: int = 8000
    """8000 to 48000; 0: ``data`` is a file, which says it itself."""


@dataclass(slots=True)
class DropSound(Command[Done]):
    """Forget a sound in memory; what plays it goes on. Nothing when there is none of this id."""

    kind: ClassVar[str] = "drop_sound"
    sound: str


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
