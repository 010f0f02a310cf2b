"""Our codecs beside those of ffmpeg, both ways: each understands what the other wrote."""

from __future__ import annotations

import numpy as np
import pytest

from tests.peers.ffmpeg import ffmpeg
from tests.peers.ogg import opus_file, opus_packets
from tests.unit.media.spoken import score, speech
from trunkline._native import Codec, Rates

WIDE = "-f s16le -ar 16000 -ac 1 -i pipe:0"
FULL = "-f s16le -ar 48000 -ac 1 -i pipe:0"


def pieces(data: bytes, octets: int) -> list[bytes]:
    """Whole pieces of ``data``."""
    return [data[at : at + octets] for at in range(0, len(data) - octets + 1, octets)]


def ratio_db(reference: bytes, other: bytes) -> float:
    """By how much the reference is louder than its difference from the other."""
    length = min(len(reference), len(other)) // 2
    said = np.frombuffer(reference, dtype=np.int16, count=length).astype(float)
    apart = said - np.frombuffer(other, dtype=np.int16, count=length)
    return float(10 * np.log10((said**2).sum() / max((apart**2).sum(), 1e-9)))


def test_g722_is_the_same_bit_by_bit_both_ways() -> None:
    sound = Rates(8000, 16_000).convert(speech())
    sound = sound[: len(sound) // 640 * 640]
    codec = Codec("G722")
    ours = b"".join(codec.encode(frame) for frame in pieces(sound, 640))
    theirs = ffmpeg(f"{WIDE} -c:a g722 -f g722 pipe:1", sound)
    assert ours == theirs
    heard = b"".join(codec.decode(payload) for payload in pieces(theirs, 160))
    assert heard == ffmpeg("-f g722 -i pipe:0 -f s16le pipe:1", theirs)[: len(heard)]
    assert score(Rates(16_000, 8000).convert(heard)) > 3.6


@pytest.mark.rfc("7587", "4.2")
@pytest.mark.parametrize("ms", [10, 20, 40, 60])
def test_ffmpeg_hears_our_opus(ms: int) -> None:
    sound = Rates(8000, 48_000).convert(speech())
    writer, reader = Codec("opus"), Codec("opus")
    packets = [writer.encode(frame) for frame in pieces(sound, 96 * ms)]
    heard = ffmpeg("-c:a libopus -i pipe:0 -ar 48000 -ac 1 -f s16le pipe:1", opus_file(packets, 48 * ms))
    ours = b"".join(reader.decode(packet) for packet in packets)
    assert ratio_db(ours, heard) > 40
    assert score(Rates(48_000, 8000).convert(heard)) > 3.6


@pytest.mark.rfc("7587", "3.4")
@pytest.mark.parametrize("channels", [1, 2])
def test_we_hear_the_opus_of_ffmpeg(channels: int) -> None:
    sound = Rates(8000, 48_000).convert(speech())
    written = ffmpeg(f"{FULL} -ac {channels} -c:a libopus -b:a 48k -f ogg pipe:1", sound)
    codec = Codec("opus", channels=channels)
    ours = b"".join(codec.decode(packet) for packet in opus_packets(written))
    theirs = ffmpeg("-c:a libopus -i pipe:0 -ar 48000 -ac 1 -f s16le pipe:1", written)
    # ffmpeg leaves out what the head of the file tells it to.
    skipped = 2 * int.from_bytes(written[38:40], "little")
    assert ratio_db(theirs, ours[skipped:]) > 40
    assert score(Rates(48_000, 8000).convert(ours[skipped:])) > 3.6
