"""SDP (RFC 8866), sans-I/O: a tolerant parser whose result is its rows, typed on demand.

Bytes of a peer raise only ``RemoteProtocolError``. See ``docs/topics/sdp.md``.
"""

from trunkline.proto.sdp.address import (
    AddressKind,
    Connection,
    Origin,
    parse_address,
    parse_connection,
    parse_origin,
)
from trunkline.proto.sdp.attributes import (
    DIRECTIONS,
    STATIC,
    Attributes,
    Direction,
    Rtcp,
    RtpMap,
    parse_rtcp,
    parse_rtpmap,
)
from trunkline.proto.sdp.media import MediaDescription
from trunkline.proto.sdp.rows import MAX_BODY, MAX_FORMATS, MAX_MEDIA, MAX_ROWS, excerpt, text_of, tokens_of
from trunkline.proto.sdp.session import SessionDescription, parse_session

__all__ = [
    "DIRECTIONS",
    "MAX_BODY",
    "MAX_FORMATS",
    "MAX_MEDIA",
    "MAX_ROWS",
    "STATIC",
    "AddressKind",
    "Attributes",
    "Connection",
    "Direction",
    "MediaDescription",
    "Origin",
    "Rtcp",
    "RtpMap",
    "SessionDescription",
    "excerpt",
    "parse_address",
    "parse_connection",
    "parse_origin",
    "parse_rtcp",
    "parse_rtpmap",
    "parse_session",
    "text_of",
    "tokens_of",
]
