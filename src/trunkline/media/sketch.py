"""A body cut into head, shapes and streams: all that offer/answer works on.

``scan`` cuts an ordinary body at its ``m=`` rows and looks up what it has read before; ``sketch_by_parser``
does the same through the full parser. A property test holds the two together.
"""

from __future__ import annotations

from typing import Final, TypeVar

from trunkline.base.errors import RemoteProtocolError
from trunkline.media.shape import Head, Shape, Unusual, ordinary_rows, scan_shape, shape_of_media
from trunkline.media.streams import RELAYED, Stream
from trunkline.proto.sdp import MAX_BODY, MAX_MEDIA, MAX_ROWS, Connection, parse_connection, parse_session

_CACHED: Final = 256  # entries of each cache, dropped all at once when full
_CACHED_SIZE: Final = 2_048  # characters of a key: hostile bodies must not fill the memory
_KINDS: Final = frozenset({"audio", "video", "image", "text", "application", "message"})
# Half the price of the named tuple's own constructor, which only repackages its arguments.
_new_stream = tuple.__new__
_T = TypeVar("_T")


class Sketch:
    """``head`` and ``connection`` of the session; ``shapes`` and ``streams``, one for each m-line."""

    __slots__ = ("connection", "head", "shapes", "streams")

    def __init__(
        self, head: Head, connection: Connection | None, shapes: list[Shape], streams: list[Stream]
    ) -> None:
        self.head = head
        self.connection = connection
        self.shapes = shapes
        self.streams = streams


_sketches: dict[str, Sketch] = {}
_heads: dict[str, Head] = {}
_shapes: dict[str, Shape] = {}


def sketch_of(body: str) -> Sketch:
    """The sketch of a body, from the cache when this very body was seen lately.

    Raises RemoteProtocolError 400 for a body that cannot be parsed or has a live stream without address.
    """
    sketch = _sketches.get(body)
    if sketch is None:
        try:
            sketch = scan(body)
        except (Unusual, RemoteProtocolError):
            sketch = sketch_by_parser(body)  # whose errors say more
        # SDES keys are never the same twice, and have no business outliving their call.
        if not any(shape.keyed for shape in sketch.shapes):
            _remember(_sketches, body, sketch)
    return sketch


def forget() -> None:
    """Empty the caches."""
    _sketches.clear()
    _heads.clear()
    _shapes.clear()


def _remember(cache: dict[str, _T], key: str, value: _T) -> None:
    if len(key) <= _CACHED_SIZE:
        if len(cache) >= _CACHED:
            cache.clear()
        cache[key] = value


def sketch_by_parser(body: str) -> Sketch:
    """The sketch through the full parser: slower, and the reference for what a body means."""
    session = parse_session(body)
    head = Head(session.rows[1:])
    shapes = [shape_of_media(media) for media in session.media]
    streams = [
        make_stream(position, media.kind, media.port, media.count, shape, head, session.connection)
        for position, (media, shape) in enumerate(zip(session.media, shapes, strict=True))
    ]
    return Sketch(head, session.connection, shapes, streams)


def scan(body: str) -> Sketch:
    """The sketch of an ordinary body; raises ``Unusual``, or RemoteProtocolError for a malformed row."""
    if len(body) > MAX_BODY or not body.startswith("v=0\r\no=") or not body.endswith("\r\n"):
        raise Unusual
    top, *sections = body[:-2].split("\r\nm=")
    if len(sections) > MAX_MEDIA or (len(body) > 3 * MAX_ROWS and body.count("\r\n") > MAX_ROWS):
        raise Unusual
    head, connection = _scan_head(top)
    shapes: list[Shape] = []
    streams: list[Stream] = []
    for position, section in enumerate(sections):
        kind, _, rest = section.partition(" ")
        port, _, text = rest.partition(" ")
        if kind not in _KINDS or len(port) > 5 or not (port.isascii() and port.isdigit()):
            raise Unusual
        number = int(port)
        if number > 65_535:
            raise Unusual
        shape = _shapes.get(text)
        if shape is None:
            shape = scan_shape(text)
            if not shape.keyed:
                _remember(_shapes, text, shape)
        shapes.append(shape)
        streams.append(make_stream(position, kind, number, 1, shape, head, connection))
    return Sketch(head, connection, shapes, streams)


def _scan_head(top: str) -> tuple[Head, Connection | None]:
    end = top.find("\r\n", 5)
    origin = top[5:end]
    if end < 0 or "\n" in origin or "\r" in origin or "\0" in origin:
        raise Unusual
    rest, connection = top[end + 2 :], None
    at = rest.find("\r\nc=")
    if at >= 0:
        end = rest.find("\r\n", at + 4)
        if end < 0:
            raise Unusual
        connection = parse_connection(rest[at + 4 : end])
        rest = rest[:at] + rest[end:]
    head = _heads.get(rest)
    if head is None:
        rows = ordinary_rows(rest)
        if any(row[:2] == "c=" for row in rows):
            raise Unusual
        head = Head(rows)
        _remember(_heads, rest, head)
    return head, connection


def make_stream(
    position: int, kind: str, port: int, count: int, shape: Shape, head: Head, session: Connection | None
) -> Stream:
    """Put a stream together; raises RemoteProtocolError 400 for a live stream without an address."""
    transport = shape.transport
    if transport == "srtp" and head.fingerprint and not shape.keyed:
        transport = "dtls"
    direction = shape.direction or head.direction or "sendrecv"
    connection = shape.connection or session
    if port == 0:
        address, address_kind, zero, relayable = "", "ip4", False, False
        rtcp_address, rtcp_port = "", 0
    elif connection is None:
        raise RemoteProtocolError(f"media line {position + 1} has no c= line, nor has the session")
    else:
        address, address_kind, zero, unicast, _ = connection
        relayable = unicast and count == 1 and transport in RELAYED
        # RFC 3550 §11: RTCP is at the next port unless a=rtcp says otherwise (RFC 3605 §2.1).
        rtcp_address, rtcp_port = address, (port + 1 if port < 65_535 else 0)
        if shape.rtcp is not None:
            rtcp_port, elsewhere = shape.rtcp
            rtcp_address = address if elsewhere is None else elsewhere.address
    return _new_stream(
        Stream,
        (
            position,
            kind,
            address,
            port,
            rtcp_address,
            rtcp_port,
            shape.mux,
            direction,
            shape.events,
            port == 0,
            shape.protocol,
            transport,
            relayable,
            zero,
            address_kind,
            shape.formats,
            shape,
        ),
    )
