"""The formats of a port whose sound is converted: what its peer may send, and in what it is spoken to."""

from __future__ import annotations

from trunkline.media.codecs import CONVERTIBLE, EVENT, AudioFormat, Pairing, event_for, formats_of, ptime_of
from trunkline.media.commands import SetFormats
from trunkline.media.sketch import sketch_of
from trunkline.media.streams import Stream


def formats_for(port: str, how: Pairing, stream: Stream, told: str, *, asked: bool) -> SetFormats | None:
    """What the engine is told of a party that described itself by ``stream``; None when there is nothing to convert.

    Who ``asked`` is answered with the one codec of ``how.ours``. Who answered may send any codec of its answer, under
    the numbers of our offer, ``told`` (RFC 3264 §6.1), and is spoken to in its first.
    """
    speaks = how.ours if asked else how.theirs
    if speaks is None:
        return None
    named = formats_of(stream.shape)
    event = event_for(named, speaks.clock_hz)
    if asked:
        receive = [speaks] if event is None else [speaks, event]
    else:
        ours = _told(told, stream.position)
        receive = [
            one._replace(payload_type=ours.get(one.key, one.payload_type))
            for one in named
            if one.key in CONVERTIBLE or one.codec == EVENT
        ]
    return SetFormats(
        port,
        [one.format for one in receive],
        speaks.format,
        None if event is None else event.format,
        ptime_of(stream.shape),
    )


def spoken_to(port: str, stream: Stream) -> SetFormats | None:
    """The formats of a port whose peer described itself by ``stream``, where we speak; None when we cannot."""
    named = formats_of(stream.shape) if stream.kind == "audio" and not stream.rejected else ()
    speaks = next((one for one in named if one.key in CONVERTIBLE), None)
    if speaks is None:
        return None
    event = event_for(named, speaks.clock_hz)
    known = [one.format for one in named if one.key in CONVERTIBLE or one.codec == EVENT]
    return SetFormats(
        port, known, speaks.format, None if event is None else event.format, ptime_of(stream.shape)
    )


def heard_from(port: str, stream: Stream, told: Stream) -> SetFormats | None:
    """The formats of a port that only relays, for whoever listens to it: a party sends by the numbers it was told."""
    known = [one.format for one in formats_of(told.shape) if one.key in CONVERTIBLE or one.codec == EVENT]
    spoken = spoken_to(port, stream)
    return (
        SetFormats(port, known, spoken.send, spoken.send_events, spoken.ptime_ms)
        if known and spoken
        else None
    )


def _told(told: str, position: int) -> dict[tuple[str, int, int], int]:
    shapes = sketch_of(told).shapes if told else []
    formats: tuple[AudioFormat, ...] = formats_of(shapes[position]) if position < len(shapes) else ()
    return {one.key: one.payload_type for one in formats}
