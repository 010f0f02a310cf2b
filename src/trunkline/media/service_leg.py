"""Offer and answer where our own engine is the endpoint: echo, tones, announcements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from trunkline.base.errors import CallFailed, LocalProtocolError
from trunkline.media.codecs import CONVERTIBLE, EVENT, AudioFormat, event_for, formats_of, ptime_of
from trunkline.media.identity import LocalPort, SdpIdentity, address_row
from trunkline.media.shape import Shape
from trunkline.media.sketch import sketch_of
from trunkline.media.streams import REVERSED, Stream
from trunkline.proto.sdp import STATIC, Direction, RtpMap, text_of

DEFAULT_CODECS: Final = ("OPUS", "G722", "PCMU", "PCMA", "L16")
"""What we speak; whose order is the peer's."""
OFFERED_CODECS: Final = ("G722", "PCMA", "PCMU")
"""What nearly every phone and carrier can, in the order of the sound."""
_OFFERED: Final[dict[str, RtpMap]] = {row.encoding: row for row in STATIC.values()}
_SPOKEN: Final = frozenset(name.upper() for name in CONVERTIBLE.values())
# RFC 7587 §6.1: what is lost can be told once more. RFC 4733 §3.2: digits are events 0-15; 16 is the hook flash of
# RFC 2833 §3.10, still in use.
_PARAMETERS: Final = {"opus": "useinbandfec=1", EVENT: "0-16"}
_EVENT_PAYLOAD_TYPE: Final = 101  # what nearly every phone uses; some old gateways know no other
_PTIME_MS: Final = 20


class ServiceMedia(NamedTuple):
    """What was agreed for a service leg.

    ``position`` of the m-line; ``codec`` in upper case with its ``payload_type`` 0..127 (in packets to the
    peer) and ``clock_rate`` in Hz; ``telephone_event`` its payload type, at that clock rate if
    there is one, or None; ``direction`` ours; ``ptime_ms`` the packet length the peer asks for; ``mux`` RTCP on the
    RTP port; ``stream`` the peer's side; ``speaks`` and ``event`` all that it says of the codec
    and of its telephone events.
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
    speaks: AudioFormat
    event: AudioFormat | None


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
    sketch = sketch_of(text_of(offer))
    media = _choose(sketch.shapes, sketch.streams, _known(codecs, _SPOKEN), telephone_event)
    sections = [
        _own_section(media, local) if stream is media.stream else _rejected(stream)
        for stream in sketch.streams
    ]
    body = _body(local, sections)
    return identity.stamp(body if dress is None else dress(body)), media


def offer_for_service(
    local: LocalPort,
    identity: SdpIdentity,
    codecs: Sequence[str] = OFFERED_CODECS,
    telephone_event: bool = True,
    direction: Direction = "sendrecv",
    dress: Callable[[str], str] | None = None,
) -> str:
    """Our own offer of one audio stream, for a peer that sent none (RFC 3261 §13.2.1)."""
    rows = [_OFFERED[codec] for codec in _known(codecs, frozenset(_OFFERED) & _SPOKEN)]
    if telephone_event:
        rows.append(RtpMap(_EVENT_PAYLOAD_TYPE, EVENT, rows[0].clock_rate))
    body = _body(local, [_section(local, "RTP/AVP", rows, direction, mux=False)])
    return identity.stamp(body if dress is None else dress(body))


def agreed_for_service(answer: str, codecs: Sequence[str] = DEFAULT_CODECS) -> ServiceMedia:
    """What the peer's answer to ``offer_for_service`` agrees on; its payload numbers count when we send.

    Raises RemoteProtocolError 400 for a body that cannot be parsed, CallFailed 488 without a shared codec.
    """
    sketch = sketch_of(text_of(answer))
    return _choose(sketch.shapes, sketch.streams, _known(codecs, _SPOKEN), True)


def _known(codecs: Sequence[str], known: frozenset[str]) -> Sequence[str]:
    if not codecs or not known.issuperset(codecs):
        raise LocalProtocolError(f"service codecs {list(codecs)}, expected some of {sorted(known)}")
    return codecs


def _choose(
    shapes: Sequence[Shape], streams: Sequence[Stream], wanted: Sequence[str], event: bool
) -> ServiceMedia:
    for shape, stream in zip(shapes, streams, strict=True):
        if stream.kind == "audio" and stream.transport == "rtp" and stream.relayable:
            named = formats_of(shape)
            for one in named:
                if one.codec.upper() in wanted and one.key in CONVERTIBLE:
                    return _agree(shape, stream, one, event_for(named, one.clock_hz) if event else None)
    raise CallFailed(488, f"No codec of {', '.join(wanted)} offered in plain RTP", 88, "sdp.no_codec")


def _agree(shape: Shape, stream: Stream, speaks: AudioFormat, event: AudioFormat | None) -> ServiceMedia:
    return ServiceMedia(
        stream.position,
        speaks.codec.upper(),
        speaks.payload_type,
        speaks.clock_hz,
        None if event is None else event.payload_type,
        REVERSED[stream.effective_direction],
        ptime_of(shape),
        stream.mux,
        stream,
        speaks,
        event,
    )


def _own_section(media: ServiceMedia, local: LocalPort) -> str:
    speaks, event = media.speaks, media.event
    name = CONVERTIBLE[speaks.key]
    rows = [RtpMap(speaks.payload_type, name, speaks.clock_hz, speaks.channels)]
    if event is not None:
        rows.append(RtpMap(event.payload_type, EVENT, event.clock_hz))
    return _section(local, media.stream.protocol, rows, media.direction, mux=media.mux)


def _section(
    local: LocalPort, protocol: str, maps: Sequence[RtpMap], direction: Direction, *, mux: bool
) -> str:
    rows: list[str] = []
    for one in maps:
        channels = f"/{one.channels}" if one.channels > 1 else ""
        rows.append(f"a=rtpmap:{one.payload_type} {one.encoding}/{one.clock_rate}{channels}")
        if one.encoding.lower() in _PARAMETERS:
            rows.append(f"a=fmtp:{one.payload_type} {_PARAMETERS[one.encoding.lower()]}")
    rows += [f"a=ptime:{_PTIME_MS}", f"a={direction}"]
    if mux:
        rows.append("a=rtcp-mux")
    elif local.rtcp_port not in {0, local.port + 1}:
        rows.append(f"a=rtcp:{local.rtcp_port}")
    formats = " ".join(str(one.payload_type) for one in maps)
    return "\r\n".join([f"m=audio {local.port} {protocol} {formats}", *rows]) + "\r\n"


def _rejected(stream: Stream) -> str:
    return f"m={stream.kind} 0 {stream.protocol} {' '.join(stream.formats)}\r\n"


def _body(local: LocalPort, sections: Sequence[str]) -> str:
    return "".join([f"s=-\r\nc={address_row(local.address)}\r\nt=0 0\r\n", *sections])
