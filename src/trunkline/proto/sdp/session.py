"""A session description: its rows, split at the ``m=`` rows, typed where somebody asks (RFC 8866 §5)."""

from __future__ import annotations

from itertools import pairwise

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sdp.address import Connection, Origin, parse_connection, parse_origin
from trunkline.proto.sdp.attributes import Attributes, Direction
from trunkline.proto.sdp.media import MediaDescription
from trunkline.proto.sdp.rows import MAX_MEDIA, first_of, rows_of


class SessionDescription:
    """A parsed body: ``rows`` of the session, ``media`` in order.

    The rows are the truth and ``str()`` gives them back, each ended by CRLF: what was parsed is what is
    serialized, unknown and repeated rows included. Properties raise RemoteProtocolError 400 when the row
    they read is malformed; the body as a whole need not be usable to be parsed.
    """

    __slots__ = ("_attributes", "media", "rows")

    def __init__(self, rows: list[str], media: list[MediaDescription]) -> None:
        self.rows = rows
        self.media = media
        self._attributes: Attributes | None = None

    @property
    def attributes(self) -> Attributes:
        """The attributes of the session level."""
        if self._attributes is None:
            self._attributes = Attributes(self.rows)
        return self._attributes

    @property
    def origin(self) -> Origin | None:
        """The first ``o=`` row; None when the peer left it out."""
        value = first_of(self.rows, "o=")
        return None if value is None else parse_origin(value)

    @property
    def connection(self) -> Connection | None:
        """The first ``c=`` row of the session level."""
        value = first_of(self.rows, "c=")
        return None if value is None else parse_connection(value)

    @property
    def name(self) -> str | None:
        """The value of ``s=``."""
        return first_of(self.rows, "s=")

    def connection_of(self, media: MediaDescription) -> Connection | None:
        """Where a stream of this session lives: its own ``c=``, else the session's (RFC 8866 §5.7)."""
        return media.connection or self.connection

    def direction_of(self, media: MediaDescription) -> Direction:
        """A stream's own direction, else the session's, else sendrecv (RFC 8866 §6.7)."""
        return media.direction or self.attributes.direction or "sendrecv"

    def __str__(self) -> str:
        rows = [*self.rows, *(row for media in self.media for row in media.rows)]
        return "\r\n".join(rows) + "\r\n"

    def __repr__(self) -> str:
        return f"SessionDescription({self.media!r})"


def parse_session(body: str | bytes) -> SessionDescription:
    """Parse a body; ``o=``, ``s=``, ``t=`` and ``c=`` may be missing, ``v=0`` may not.

    Raises RemoteProtocolError 400 when the body is too large, does not begin with ``v=0`` or has a malformed
    ``m=`` row; 488 when it has more than ``MAX_MEDIA`` of them.
    """
    rows = rows_of(body)
    starts = [index for index, row in enumerate(rows) if row.startswith("m=")]
    if len(starts) > MAX_MEDIA:
        raise RemoteProtocolError(f"SDP of {len(starts)} media lines, expected at most {MAX_MEDIA}", 488)
    starts.append(len(rows))
    media = [MediaDescription(rows[start:end]) for start, end in pairwise(starts)]
    return SessionDescription(rows[: starts[0]], media)
