"""One media description: an ``m=`` row and what follows it.

media-field = "m=" media SP port ["/" integer] SP proto 1*(SP fmt)      RFC 8866 §5.14
"""

from __future__ import annotations

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sdp.address import Connection, parse_connection
from trunkline.proto.sdp.attributes import (
    STATIC,
    Attributes,
    Direction,
    Rtcp,
    RtpMap,
    parse_rtcp,
    parse_rtpmap,
)
from trunkline.proto.sdp.rows import MAX_FORMATS, excerpt, first_of, number_of, tokens_of


class MediaDescription:
    """A media description as its rows, with typed values taken from them when asked.

    ``kind`` is in lower case (audio, video, image, ...); ``port`` 0..65535 (0: rejected); ``count`` of
    ports 1..65535; ``protocol`` and ``formats`` as written; ``rows`` all rows, the ``m=`` row first.
    Raises RemoteProtocolError 400 when the ``m=`` row is malformed.
    """

    __slots__ = ("_attributes", "_rtpmaps", "count", "formats", "kind", "port", "protocol", "rows")

    def __init__(self, rows: list[str]) -> None:
        self.rows = rows
        self._attributes: Attributes | None = None
        self._rtpmaps: dict[int, RtpMap] | None = None
        tokens = tokens_of(rows[0][2:])
        if not 4 <= len(tokens) <= MAX_FORMATS + 3:
            raise _malformed(rows[0])
        port, slash, count = tokens[1].partition("/")
        self.port = _within(port, 0, 65_535, rows[0])
        self.count = _within(count, 1, 65_535, rows[0]) if slash else 1
        self.kind = tokens[0].lower()
        self.protocol = tokens[2]
        self.formats = tuple(tokens[3:])

    @property
    def attributes(self) -> Attributes:
        if self._attributes is None:
            self._attributes = Attributes(self.rows)
        return self._attributes

    @property
    def connection(self) -> Connection | None:
        """The first ``c=`` row of this section (several of them are a multicast ladder, RFC 8866 §5.7)."""
        value = first_of(self.rows, "c=")
        return None if value is None else parse_connection(value)

    @property
    def direction(self) -> Direction | None:
        """The direction stated in this section, without what the session says."""
        return self.attributes.direction

    @property
    def rtcp(self) -> Rtcp | None:
        """``a=rtcp`` (RFC 3605)."""
        value = self.attributes.get("rtcp")
        return None if value is None else parse_rtcp(value)

    @property
    def rtcp_mux(self) -> bool:
        """``a=rtcp-mux`` (RFC 5761 §5.1.1)."""
        return "rtcp-mux" in self.attributes

    @property
    def ptime(self) -> int | None:
        """``a=ptime`` in milliseconds 1..1000 (RFC 8866 §6.4); None without one or when it is malformed."""
        return self._milliseconds("ptime")

    @property
    def maxptime(self) -> int | None:
        """``a=maxptime``: no packet to the peer may be longer; as ``ptime``."""
        return self._milliseconds("maxptime")

    def _milliseconds(self, name: str) -> int | None:
        value = self.attributes.get(name)
        return None if value is None else number_of(value.strip(" ").partition(".")[0], 1000) or None

    def rtpmap(self, payload_type: str | int) -> RtpMap | None:
        """What a payload type means: its first ``a=rtpmap``, else the static table of RFC 3551 §6."""
        if self._rtpmaps is None:
            parsed = (parse_rtpmap(value) for value in self.attributes.all("rtpmap"))
            self._rtpmaps = {row.payload_type: row for row in reversed([row for row in parsed if row])}
        number = number_of(str(payload_type), 127)
        if number is None:
            return None
        return self._rtpmaps.get(number) or STATIC.get(number)

    def fmtp(self, payload_type: str | int) -> str | None:
        """The format parameters of a payload type (RFC 8866 §6.15)."""
        wanted = str(payload_type)
        for value in self.attributes.all("fmtp"):
            name, _, parameters = value.partition(" ")
            if name == wanted:
                return parameters
        return None

    def __repr__(self) -> str:
        return f"MediaDescription({excerpt(self.rows[0])})"


def _within(token: str, floor: int, ceiling: int, row: str) -> int:
    number = number_of(token, ceiling)
    if number is None or number < floor:
        raise _malformed(row)
    return number


def _malformed(row: str) -> RemoteProtocolError:
    expected = f"'m=kind port protocol format', port 0..65535, at most {MAX_FORMATS} formats"
    return RemoteProtocolError(f"media line is {excerpt(row)}, expected {expected}")
