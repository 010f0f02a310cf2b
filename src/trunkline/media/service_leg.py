"""Offer and answer where our own engine is the endpoint: echo, tones, announcements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from trunkline.base.errors import CallFailed, LocalProtocolError
from trunkline.media.identity import LocalPort, SdpIdentity, address_row
from trunkline.media.shape import Shape
from trunkline.media.sketch import sketch_of
from trunkline.media.streams import REVERSED, Stream
from trunkline.proto.sdp import STATIC, Direction, MediaDescription, RtpMap, text_of

DEFAULT_CODECS: Final = ("PCMU", "PCMA")
_OFFERED: Final[dict[str, RtpMap]] = {row.encoding: row for row in STATIC.values()}
_EVENT_PAYLOAD_TYPE: Final = 101  # what nearly every phone uses; some old gateways know no other
_PTIME_MS: Final = 20


class ServiceMedia(NamedTuple):
    """What was agreed for a service leg.

    ``position`` of the m-line; ``codec`` in upper case with its ``payload_type`` 0..127 (in packets to the
    peer) and ``clock_rate`` in Hz; ``telephone_event`` its payload type at that clock rate, or None;
    ``direction`` ours; ``ptime_ms`` the packet length the peer asks for; ``mux`` RTCP on the RTP port;
    ``stream`` the peer's side.
    """

    position: int
    codec: str
    payload_type: int
    clock_rate: int
    telephone_event: int | None
    direction: Direction
    ptime_ms: int
    mux: bool
    stream: Stream


def answer_for_service(
    offer: str,
    local: LocalPort,
    identity: SdpIdentity,
    codecs: Sequence[str] = DEFAULT_CODECS,
    telephone_event: bool = True,
    dress: Callable[[str], str] | None = None,
) -> tuple[str, ServiceMedia]:
    """Our answer to the peer's offer, and what it agrees on.

    The first live plain-RTP audio stream with a codec of ``codecs`` is taken, with the first such codec in
    the peer's order and the peer's payload numbers (RFC 3264 §6.1); all other m-lines are rejected.
    ``dress`` puts our keys into it. Raises RemoteProtocolError 400 for a body that cannot be parsed, CallFailed 488
    without a shared codec.
    """
    wanted = [row.encoding for row in _known(codecs)]
    sketch = sketch_of(text_of(offer))
    media = _choose(sketch.shapes, sketch.streams, wanted, telephone_event)
    sections = [
        _own_section(media, local) if stream is media.stream else _rejected(stream)
        for stream in sketch.streams
    ]
    body = _body(local, sections)
    return identity.stamp(body if dress is None else dress(body)), media


def offer_for_service(
    local: LocalPort,
    identity: SdpIdentity,
    codecs: Sequence[str] = DEFAULT_CODECS,
    telephone_event: bool = True,
    direction: Direction = "sendrecv",
    dress: Callable[[str], str] | None = None,
) -> str:
    """Our own offer of one audio stream, for a peer that sent none (RFC 3261 §13.2.1)."""
    rows = _known(codecs)
    event = _EVENT_PAYLOAD_TYPE if telephone_event else None
    body = _body(local, [_section(local, "RTP/AVP", rows, event, direction, mux=False)])
    return identity.stamp(body if dress is None else dress(body))


def agreed_for_service(answer: str, codecs: Sequence[str] = DEFAULT_CODECS) -> ServiceMedia:
    """What the peer's answer to ``offer_for_service`` agrees on; its payload numbers count when we send.

    Raises RemoteProtocolError 400 for a body that cannot be parsed, CallFailed 488 without a shared codec.
    """
    sketch = sketch_of(text_of(answer))
    return _choose(sketch.shapes, sketch.streams, [row.encoding for row in _known(codecs)], True)


def _known(codecs: Sequence[str]) -> list[RtpMap]:
    unknown = [codec for codec in codecs if codec not in _OFFERED]
    if unknown or not codecs:
        raise LocalProtocolError(f"service codecs {list(codecs)}, expected some of {sorted(_OFFERED)}")
    return [_OFFERED[codec] for codec in codecs]


def _choose(
    shapes: Sequence[Shape], streams: Sequence[Stream], wanted: Sequence[str], event: bool
) -> ServiceMedia:
    for shape, stream in zip(shapes, streams, strict=True):
        if stream.kind == "audio" and stream.transport == "rtp" and stream.relayable:
            media = MediaDescription(("m=audio 9 " + shape.text).split("\r\n"))
            rtpmap = _first_codec(media, wanted)
            if rtpmap is not None:
                return _agree(media, stream, rtpmap, event)
    raise CallFailed(488, f"No codec of {', '.join(wanted)} offered in plain RTP", 88, "sdp.no_codec")


def _first_codec(media: MediaDescription, wanted: Sequence[str]) -> RtpMap | None:
    for name in media.formats:
        rtpmap = media.rtpmap(name)
        if rtpmap is None or rtpmap.channels != 1 or rtpmap.encoding.upper() not in wanted:
            continue
        if rtpmap.clock_rate == _OFFERED[rtpmap.encoding.upper()].clock_rate:
            return rtpmap
    return None


def _agree(media: MediaDescription, stream: Stream, rtpmap: RtpMap, event: bool) -> ServiceMedia:
    # RFC 4733 §2.1: the events share the timestamps of the audio, so their clock rates must agree.
    events = [number for number, rate in stream.telephone_events if rate == rtpmap.clock_rate]
    return ServiceMedia(
        stream.position,
        rtpmap.encoding.upper(),
        rtpmap.payload_type,
        rtpmap.clock_rate,
        events[0] if event and events else None,
        REVERSED[stream.effective_direction],
        media.ptime or _PTIME_MS,
        stream.mux,
        stream,
    )


def _own_section(media: ServiceMedia, local: LocalPort) -> str:
    rtpmap = RtpMap(media.payload_type, media.codec, media.clock_rate)
    protocol = media.stream.protocol
    return _section(local, protocol, [rtpmap], media.telephone_event, media.direction, mux=media.mux)


def _section(
    local: LocalPort,
    protocol: str,
    maps: Sequence[RtpMap],
    event: int | None,
    direction: Direction,
    *,
    mux: bool,
) -> str:
    formats = [str(row.payload_type) for row in maps]
    rows = [f"a=rtpmap:{row.payload_type} {row.encoding}/{row.clock_rate}" for row in maps]
    if event is not None:
        formats.append(str(event))
        # RFC 4733 §3.2: digits are events 0-15; 16 is the hook flash of RFC 2833 §3.10, still in use.
        rows += [f"a=rtpmap:{event} telephone-event/{maps[0].clock_rate}", f"a=fmtp:{event} 0-16"]
    rows += [f"a=ptime:{_PTIME_MS}", f"a={direction}"]
    if mux:
        rows.append("a=rtcp-mux")
    elif local.rtcp_port not in {0, local.port + 1}:
        rows.append(f"a=rtcp:{local.rtcp_port}")
    return "\r\n".join([f"m=audio {local.port} {protocol} {' '.join(formats)}", *rows]) + "\r\n"


def _rejected(stream: Stream) -> str:
    return f"m={stream.kind} 0 {stream.protocol} {' '.join(stream.formats)}\r\n"


def _body(local: LocalPort, sections: Sequence[str]) -> str:
    return "".join([f"s=-\r\nc={address_row(local.address)}\r\nt=0 0\r\n", *sections])
