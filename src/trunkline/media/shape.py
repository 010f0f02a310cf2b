"""What a section says apart from its kind and port, and what the head says apart from origin and address.

A phone sends the same rows in every call but for its ports and its ``o=`` row, and thousands of phones are
of a few models. So a section's text after the port is read once and remembered (its *shape*), and likewise
the session's rows but for ``o=`` and ``c=`` (its *head*). ``scan_shape`` reads a new shape row by row;
whatever is unusual goes through the full parser (``shape_of_media``), whose meaning is the one that counts.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from trunkline.media.streams import TRANSPORTS, Transport, transport_of
from trunkline.proto.sdp import (
    DIRECTIONS,
    MAX_FORMATS,
    Attributes,
    Connection,
    Direction,
    MediaDescription,
    Rtcp,
    parse_connection,
    parse_rtcp,
    parse_rtpmap,
)

if TYPE_CHECKING:
    from trunkline.media.codecs import AudioFormat

# What says something about the peer's own path, which ends at us: ICE (RFC 8839), bundling on one port
# (RFC 9143), DTLS (RFC 8842, the relay carries none), filters on a source address (RFC 4570).
STRIPPED: Final = (
    "a=candidate:",
    "a=remote-candidates:",
    "a=end-of-candidates",
    "a=ice-",
    "a=group:BUNDLE",
    "a=bundle-only",
    "a=fingerprint:",
    "a=setup:",
    "a=tls-id:",
    "a=source-filter:",
)
# Rows that belong to the session alone: in a section they are a peer's mistake, and name the peer's address.
MISPLACED: Final = ("o=", "v=")
_DIRECTION_ROWS: Final[dict[str, Direction]] = {f"a={direction}": direction for direction in DIRECTIONS}
_EVENT: Final = "telephone-event"
_REMEMBERED_ROW: Final = 64  # characters: a longer rtpmap is nobody's

# The rows that mean something to a relay, by their first six characters: one look-up for each row.
_DIRECTION, _RTCP, _RTPMAP, _KEY, _PATH = range(5)
_NOTED: Final[dict[str, int]] = {
    "a=send": _DIRECTION,
    "a=recv": _DIRECTION,
    "a=inac": _DIRECTION,
    "a=rtcp": _RTCP,
    "a=rtpm": _RTPMAP,
    "a=cryp": _KEY,
    **{row[:6]: _PATH for row in STRIPPED},
}

# RFC 8866 §5 fixes the order of the session's rows; rows of unknown type go last.
_RANKS: Final = {letter: rank for rank, letter in enumerate("siuepcbtka")} | {"r": 7, "z": 7}
_CONNECTION_RANK: Final = _RANKS["c"]
# What we say ourselves, and what a phone says of itself and its owner: that is nobody's across (RFC 5853 §3.1).
_OURS: Final = frozenset({"c=", "o=", "v=", "s=", "i=", "u=", "e=", "p="})
_PRIVATE: Final = "a=tool:"
_PATH_ROW: Final = re.compile("|".join(re.escape(row) for row in STRIPPED))


class Unusual(Exception):  # noqa: N818  (a turn to the full parser, not an error)
    """The text is outside what the quick reading understands."""


class Shape:
    """A section without kind and port; ``text`` is ``protocol formats`` and the rows below, CRLF between.

    ``plain`` tells that no row needs an edit when the section is passed on; ``keyed`` that ``a=crypto``
    stands there, ``fingerprint`` that ``a=fingerprint`` does. ``reduced`` keeps what each profile made of
    the text, by the profile's name; ``audio`` its formats, once somebody has asked for them.
    """

    __slots__ = (
        "audio",
        "connection",
        "direction",
        "events",
        "fingerprint",
        "formats",
        "keyed",
        "mux",
        "plain",
        "protocol",
        "reduced",
        "rtcp",
        "text",
        "transport",
    )

    def __init__(self, text: str, protocol: str, formats: tuple[str, ...]) -> None:
        self.text = text
        self.protocol = protocol
        self.formats = formats
        self.transport: Transport = "other"
        self.connection: Connection | None = None
        self.direction: Direction | None = None
        self.rtcp: Rtcp | None = None
        self.mux = False
        self.keyed = False
        self.fingerprint = False
        self.events: tuple[tuple[int, int], ...] = ()
        self.plain = True
        self.reduced: dict[str, str | None] = {}
        self.audio: tuple[AudioFormat, ...] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shape) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


class Head:
    """The session's rows without ``v=``, ``o=`` and ``c=``, cut where our ``c=`` row belongs.

    ``before`` and ``after`` are rows each ended by CRLF, in the order of RFC 8866 §5, without what ends at
    us or tells of the peer, and with the mandatory ``s=`` and ``t=`` whatever the peer left out.
    """

    __slots__ = ("after", "before", "direction", "fingerprint")

    def __init__(self, rows: list[str]) -> None:
        self.direction: Direction | None = None
        self.fingerprint = False
        if any(row[:2] == "a=" for row in rows):
            attributes = Attributes(rows)
            self.direction = attributes.direction
            self.fingerprint = attributes.get("fingerprint") is not None
        self.before, self.after = _cut(rows)


def _cut(rows: list[str]) -> tuple[str, str]:
    kept = [
        row
        for row in rows
        if row[:2] not in _OURS and not row.startswith(_PRIVATE) and not _PATH_ROW.match(row)
    ]
    for row in ("s=-", "t=0 0"):
        if not any(present[:2] == row[:2] for present in kept):
            kept.append(row)
    ranks = [_RANKS.get(row[0], 9) if row[1:2] == "=" else 9 for row in kept]
    if ranks != sorted(ranks):
        kept = [row for _, row in sorted(zip(ranks, kept, strict=True), key=lambda ranked: ranked[0])]
        ranks.sort()
    place = sum(rank < _CONNECTION_RANK for rank in ranks)
    before, after = ("".join(f"{row}\r\n" for row in part) for part in (kept[:place], kept[place:]))
    return before, after


def ordinary_rows(text: str) -> list[str]:
    """The rows of a text with CRLF between them; raises ``Unusual`` for anything but full rows."""
    rows = text.split("\r\n")
    joined = "".join(rows)
    if "" in rows or "\n" in joined or "\r" in joined or "\0" in joined:
        raise Unusual
    return rows


def scan_shape(text: str) -> Shape:
    """The shape of an ordinary section; raises ``Unusual``, or RemoteProtocolError for a malformed row."""
    rows = ordinary_rows(text)
    protocol, *formats = rows[0].split(" ")
    transport = TRANSPORTS.get(protocol)
    if transport is None or not formats or "" in formats or len(formats) > MAX_FORMATS:
        raise Unusual
    shape = Shape(text, protocol, tuple(formats))
    rates: dict[str, int] = {}
    for row in rows:
        noted = _NOTED.get(row[:6])
        if noted is None:
            continue
        if noted == _RTPMAP:
            name, rate = _rtpmap(row) if len(row) <= _REMEMBERED_ROW else _read_rtpmap(row)
            rates.setdefault(name, rate)
        else:
            _note(shape, noted, row)
    if text.count("\r\na=") + 1 != len(rows):
        _read_others(shape, rows)
    shape.transport = (
        transport if transport != "srtp" else transport_of(protocol, shape.keyed, shape.fingerprint)
    )
    if any(rates.values()):
        shape.events = tuple((int(name), rates[name]) for name in dict.fromkeys(formats) if rates.get(name))
    return shape


def _note(shape: Shape, noted: int, row: str) -> None:
    if noted == _DIRECTION:
        if shape.direction is None:
            shape.direction = _DIRECTION_ROWS.get(row.rstrip(" "))
    elif noted == _RTCP:
        if row.startswith("a=rtcp:"):
            shape.plain = False
            shape.rtcp = shape.rtcp or parse_rtcp(row[7:])
        elif row.rstrip(" ") == "a=rtcp-mux":
            shape.mux = True
    elif noted == _KEY:
        shape.keyed = shape.keyed or row.startswith("a=crypto:")
    elif row.startswith(STRIPPED):
        shape.plain = False
        shape.fingerprint = shape.fingerprint or row.startswith("a=fingerprint:")


def _read_others(shape: Shape, rows: list[str]) -> None:
    """The rows that are no attributes; the first ``c=`` counts."""
    for row in rows:
        if row.startswith(MISPLACED):
            shape.plain = False
        elif row.startswith("c="):
            shape.plain = False
            shape.connection = shape.connection or parse_connection(row[2:])


def _read_rtpmap(row: str) -> tuple[str, int]:
    """The payload type as written and the clock rate of a telephone-event; rate 0 for all else."""
    rtpmap = parse_rtpmap(row[9:]) if row.startswith("a=rtpmap:") else None
    if rtpmap is None:
        return "", 0
    return str(rtpmap.payload_type), rtpmap.clock_rate if rtpmap.encoding.lower() == _EVENT else 0


_rtpmap = lru_cache(maxsize=1024)(_read_rtpmap)


def shape_of_media(media: MediaDescription) -> Shape:
    """The shape of a parsed media description: the meaning that ``scan_shape`` must reproduce."""
    attributes = media.attributes
    first = f"{media.protocol} {' '.join(media.formats)}"
    shape = Shape("\r\n".join([first, *media.rows[1:]]), media.protocol, media.formats)
    shape.connection = media.connection
    shape.direction = media.direction
    shape.rtcp = media.rtcp
    shape.mux = media.rtcp_mux
    shape.keyed = attributes.get("crypto") is not None
    shape.fingerprint = attributes.get("fingerprint") is not None
    shape.transport = transport_of(media.protocol, shape.keyed, shape.fingerprint)
    shape.events = telephone_events_of(media)
    shape.plain = not any(row.startswith(("c=", "a=rtcp:", *STRIPPED, *MISPLACED)) for row in media.rows)
    return shape


def telephone_events_of(media: MediaDescription) -> tuple[tuple[int, int], ...]:
    """Payload type and clock rate of every telephone-event format, in the order of the m-line."""
    events: dict[int, int] = {}
    for name in media.formats:
        rtpmap = media.rtpmap(name)
        if rtpmap and rtpmap.encoding.lower() == _EVENT and name == str(rtpmap.payload_type):
            events[rtpmap.payload_type] = rtpmap.clock_rate
    return tuple(events.items())
