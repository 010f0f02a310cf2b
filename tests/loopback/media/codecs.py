"""Formats for the tests of the media engine, and ffmpeg to decode what it says."""

from __future__ import annotations

import struct
import subprocess
from bisect import bisect

from tests.loopback.media.sound import LEVELS, OCTETS, linear, sine
from trunkline.media import commands as c

PCMU = c.Format(0, "PCMU")
PCMA = c.Format(8, "PCMA")
G722 = c.Format(9, "G722")
OPUS = c.Format(96, "opus", 48_000, 2)
L16 = c.Format(97, "L16", 16_000)
CN = c.Format(13, "CN")
EVENTS = c.Format(101, "telephone-event")


def formats(port: str, codec: c.Format, *others: c.Format, ptime_ms: int = 20) -> c.SetFormats:
    """What a peer sends and takes: one codec, perhaps telephone events and comfort noise."""
    events = next((one for one in others if one.codec == "telephone-event"), None)
    return c.SetFormats(port, [codec, *others], codec, events, ptime_ms)


def pcm(codec: c.Format, packets: list[bytes]) -> list[int]:
    """The samples in RTP packets, at the codec's rate; Opus and G.722 by ffmpeg."""
    payloads = [packet[12:] for packet in packets]
    if codec.codec in ("PCMU", "PCMA"):
        law = 0 if codec.codec == "PCMU" else 8
        return [linear(octet, law) for payload in payloads for octet in payload]
    if codec.codec == "L16":
        return [sample for (sample,) in struct.iter_unpack("!h", b"".join(payloads))]
    if codec.codec == "G722":
        return _ffmpeg(b"".join(payloads), "g722", 16_000)
    return _ffmpeg(ogg_opus(payloads), "ogg", 48_000)


def _ffmpeg(data: bytes, form: str, rate_hz: int) -> list[int]:
    command = ["ffmpeg", "-loglevel", "error", "-f", form, "-i", "-"]
    command += ["-f", "s16le", "-ac", "1", "-ar", str(rate_hz), "-"]
    out = subprocess.run(command, input=data, capture_output=True, check=True, timeout=60).stdout
    return [sample for (sample,) in struct.iter_unpack("<h", out)]


def ogg_opus(payloads: list[bytes], frame: int = 960) -> bytes:
    """Opus packets as a file (RFC 7845), each on a page of its own."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 48_000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 4) + b"test" + struct.pack("<I", 0)
    pages = [_page(2, 0, 0, head), _page(0, 0, 1, tags)]
    for n, payload in enumerate(payloads):
        last = 4 if n == len(payloads) - 1 else 0
        pages.append(_page(last, (n + 1) * frame, n + 2, payload))
    return b"".join(pages)


def _page(flags: int, granule: int, sequence: int, packet: bytes) -> bytes:
    laces = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    page = struct.pack("<4sBBQIIIB", b"OggS", 0, flags, granule, 1, sequence, 0, len(laces)) + laces + packet
    return page[:22] + struct.pack("<I", _crc(page)) + page[26:]


def _crc(data: bytes) -> int:
    crc = 0
    for octet in data:
        crc ^= octet << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc


def mu_law(samples: list[int]) -> bytes:
    """Samples as octets of µ-law, the next level below each."""
    return bytes(OCTETS[LEVELS[max(bisect(LEVELS, sample) - 1, 0)]] for sample in samples)


def encoded(codec: c.Format, hz: float, seconds: float) -> list[bytes]:
    """A tone at -10 dBov as payloads of 20 ms."""
    if codec.codec == "PCMU":
        octets = mu_law(sine(hz, seconds))
        return [octets[at : at + 160] for at in range(0, len(octets), 160)]
    if codec.codec == "L16":
        wide = sine(hz, seconds, 16_000)
        return [struct.pack("!320h", *wide[at : at + 320]) for at in range(0, len(wide), 320)]
    rate_hz = 16_000 if codec.codec == "G722" else 48_000
    samples = sine(hz, seconds, rate_hz)
    command = ["ffmpeg", "-loglevel", "error", "-f", "s16le", "-ar", str(rate_hz), "-ac", "1", "-i", "-"]
    if codec.codec == "G722":
        data = _run([*command, "-c:a", "g722", "-f", "g722", "-"], samples)
        return [data[at : at + 160] for at in range(0, len(data), 160)]
    data = _run(
        [*command, "-c:a", "libopus", "-frame_duration", "20", "-page_duration", "1", "-f", "ogg", "-"],
        samples,
    )
    return ogg_packets(data)[2:]


def _run(command: list[str], samples: list[int]) -> bytes:
    data = struct.pack(f"<{len(samples)}h", *samples)
    return subprocess.run(command, input=data, capture_output=True, check=True, timeout=60).stdout


def ogg_packets(data: bytes) -> list[bytes]:
    """The packets of an Ogg stream (RFC 3533)."""
    packets, part, at = [], b"", 0
    while at < len(data):
        laces = data[at + 27 : at + 27 + data[at + 26]]
        at += 27 + len(laces)
        for lace in laces:
            part += data[at : at + lace]
            at += lace
            if lace < 255:
                packets.append(part)
                part = b""
    return packets
