"""Attribute rows: a lazy lookup that keeps order and repeats, and the typed attributes that we use.

attribute-field = "a=" attribute-name [":" attribute-value]             RFC 8866 §5.13
rtpmap          = payload-type SP encoding-name "/" clock-rate ["/" channels]   §6.6
rtcp            = "a=rtcp:" port [SP nettype SP addrtype SP address]    RFC 3605 §2.1
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple, TypeAlias

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sdp.address import Connection, parse_connection
from trunkline.proto.sdp.rows import excerpt, number_of

Direction: TypeAlias = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
DIRECTIONS: Final[tuple[Direction, ...]] = ("sendrecv", "sendonly", "recvonly", "inactive")

_RTPMAP = re.compile(r"(0|[1-9][0-9]{0,2}) +([^ /]+)/([1-9][0-9]{0,6})(?:/([0-9]{1,2}))? *")


class RtpMap(NamedTuple):
    """``a=rtpmap``: payload type 0..127, encoding name as written, clock rate in Hz, channels."""

    payload_type: int
    encoding: str
    clock_rate: int
    channels: int = 1


# RFC 3551 §6: the payload types that need no rtpmap, as far as telephones still use them.
STATIC: Final[dict[int, RtpMap]] = {
    row.payload_type: row
    for row in (
        RtpMap(0, "PCMU", 8000),
        RtpMap(3, "GSM", 8000),
        RtpMap(4, "G723", 8000),
        RtpMap(8, "PCMA", 8000),
        RtpMap(9, "G722", 8000),
        RtpMap(13, "CN", 8000),
        RtpMap(15, "G728", 8000),
        RtpMap(18, "G729", 8000),
    )
}


class Rtcp(NamedTuple):
    """``a=rtcp`` of RFC 3605: the port, and the connection when the peer gave one."""

    port: int
    connection: Connection | None = None


class Attributes:
    """The ``a=`` rows of one section: by name, in order, repeats kept. Built when first asked."""

    __slots__ = ("_values",)

    def __init__(self, rows: list[str]) -> None:
        self._values: dict[str, list[str]] = {}
        for row in rows:
            if row.startswith("a="):
                name, colon, value = row[2:].partition(":")
                key = name if colon else name.rstrip(" ")
                # A property attribute and a value attribute of one name are two things ("a=x" and "a=x:").
                self._values.setdefault(key + colon, []).append(value)

    def __contains__(self, name: str) -> bool:
        """Whether the property attribute (``a=name``, no value) stands here."""
        return name in self._values

    def get(self, name: str) -> str | None:
        """The first value of ``a=name:value``."""
        values = self._values.get(name + ":")
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        """Every value of ``a=name:value``, in order."""
        return self._values.get(name + ":", [])

    @property
    def direction(self) -> Direction | None:
        """The first direction attribute (RFC 8866 §6.7), or None."""
        for name in self._values:
            for direction in DIRECTIONS:
                if name == direction:
                    return direction
        return None

    @property
    def names(self) -> frozenset[str]:
        """Every attribute name that stands here."""
        return frozenset(name.rstrip(":") for name in self._values)


def parse_rtpmap(value: str) -> RtpMap | None:
    """The value of ``a=rtpmap``; None when it is malformed, for a relay can live without it."""
    match = _RTPMAP.fullmatch(value)
    if match is None or int(match[1]) > 127:
        return None
    return RtpMap(int(match[1]), match[2], int(match[3]), int(match[4] or 1))


def parse_rtcp(value: str) -> Rtcp:
    """The value of ``a=rtcp``; raises RemoteProtocolError 400 when it is malformed."""
    token, _, rest = value.strip(" ").partition(" ")
    port = number_of(token, 65_535)
    if port is None:
        raise RemoteProtocolError(f"a=rtcp is {excerpt(value)}, expected 'port' or 'port IN IP4 address'")
    return Rtcp(port, parse_connection(rest) if rest.strip(" ") else None)
