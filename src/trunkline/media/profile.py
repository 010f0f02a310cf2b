"""SDP profiles: what of a body may pass to the other side."""

from __future__ import annotations

from typing import Final, NamedTuple

from trunkline.media.shape import Shape
from trunkline.media.streams import TRANSPORTS, Stream
from trunkline.proto.sdp import MediaDescription

_PAYLOAD_ROWS = ("a=rtpmap:", "a=fmtp:", "a=rtcp-fb:")


class Profile(NamedTuple):
    """``codecs``: encoding name in lower case and clock rate of the audio formats that pass; None: all."""

    name: str
    codecs: frozenset[tuple[str, int]] | None


TRANSPARENT: Final = Profile("transparent", None)
# RTP counts G.722 at 8000 Hz (RFC 3551 §4.5.2), so one telephone-event at 8000 Hz serves all three.
CONSERVATIVE: Final = Profile("conservative", frozenset({("pcmu", 8000), ("pcma", 8000), ("g722", 8000)}))
PROFILES: Final[dict[str, Profile]] = {profile.name: profile for profile in (TRANSPARENT, CONSERVATIVE)}

_TELEPHONE_EVENT = ("telephone-event", 8000)


def carries(profile: Profile, stream: Stream) -> bool:
    """Whether the stream deserves a port of ours: relayable, and of a kind that the profile lets pass.

    The conservative profile carries audio and T.38. Video, text and the rest stay in the body with port 0:
    desk phones and carriers skip a rejected m-line, but many stop at a missing one, since the answer must
    mirror the count (RFC 3264 §6).
    """
    if not stream.relayable:
        return False
    return profile.codecs is None or stream.kind == "audio" or stream.transport == "udptl"


def reduced(profile: Profile, shape: Shape) -> str | None:
    """The text of an RTP audio section with only the profile's formats; None when no codec is left."""
    if profile.codecs is None:
        return shape.text
    if profile.name not in shape.reduced:
        shape.reduced[profile.name] = _reduce(profile.codecs, shape.text)
    return shape.reduced[profile.name]


def _reduce(codecs: frozenset[tuple[str, int]], text: str) -> str | None:
    media = MediaDescription(("m=audio 9 " + text).split("\r\n"))
    kept: list[str] = []
    spoken = False
    for name in media.formats:
        rtpmap = media.rtpmap(name)
        key = (rtpmap.encoding.lower(), rtpmap.clock_rate) if rtpmap and rtpmap.channels == 1 else None
        spoken = spoken or key in codecs
        if key in codecs or key == _TELEPHONE_EVENT:
            kept.append(name)
    if not spoken:
        return None
    # A key by the side of plain RTP is a proposal to encrypt that old phones answer wrongly.
    plain = TRANSPORTS.get(media.protocol) == "rtp"
    rows = [
        row for row in media.rows[1:] if _passes(row, kept) and not (plain and row.startswith("a=crypto:"))
    ]
    return "\r\n".join([f"{media.protocol} {' '.join(kept)}", *rows])


def _passes(row: str, kept: list[str]) -> bool:
    if not row.startswith(_PAYLOAD_ROWS):
        return True
    payload_type = row.partition(":")[2].partition(" ")[0]
    return payload_type in kept or payload_type == "*"
