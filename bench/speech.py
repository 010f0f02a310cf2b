"""Speech in every codec, as payloads of 20 ms: what the parties of `bench media` say."""

import wave
from collections.abc import Iterator
from pathlib import Path

import trunkline
from trunkline.media.codec_commands import Format
from trunkline.media.samples import Codec, Rates

RATE_HZ = 8000
PACKETS_OF_A_SECOND = 50
PROMPTS = Path(trunkline.__file__).parent / "prompts" / "en"
SENTENCES = ("enter-pin", "not-registered", "no-answer", "busy")
SILENT = "opus, silent"
"""Opus of somebody who listens, and whose phone does not leave out silence."""
FORMATS = {
    "PCMU": Format(0, "PCMU"),
    "PCMA": Format(8, "PCMA"),
    "G722": Format(9, "G722"),
    "opus": Format(96, "opus", 48_000, 2, "useinbandfec=1"),
}
FORMATS[SILENT] = FORMATS["opus"]


def speech() -> bytes:
    """About ten seconds of somebody who speaks: samples of 8000 Hz, 16 bits."""
    sound = b""
    for name in SENTENCES:
        with wave.open(str(PROMPTS / f"{name}.wav")) as file:
            sound += file.readframes(file.getnframes())
    return sound


def payloads(name: str, sound: bytes) -> Iterator[bytes]:
    """What `sound` is in a codec, 20 ms each."""
    codec = Codec(FORMATS[name].codec)
    converted = Rates(RATE_HZ, codec.rate_hz).convert(sound) if codec.rate_hz != RATE_HZ else sound
    octets = 2 * codec.rate_hz // PACKETS_OF_A_SECOND
    for at in range(0, len(converted) - octets + 1, octets):
        yield codec.encode(converted[at : at + octets])


def frames_file(folder: Path, name: str) -> Path:
    """A file that rtp_speakers can read, written where it is not there yet."""
    path = folder / f"{name.replace(', ', '-')}.frames"
    if not path.exists():
        sound = bytes(len(speech())) if name == SILENT else speech()
        path.write_bytes(b"".join(len(one).to_bytes(2) + one for one in payloads(name, sound)))
    return path


def line(port: int, name: str, frames: Path) -> str:
    """A party in the port file of rtp_speakers."""
    spoken = FORMATS[name]
    return f"{port} {spoken.payload_type} {spoken.clock_hz // PACKETS_OF_A_SECOND} {frames}"
