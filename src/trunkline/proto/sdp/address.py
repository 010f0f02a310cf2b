"""The rows that carry addresses: origin and connection.

    origin-field     = "o=" username SP sess-id SP sess-version SP nettype SP addrtype SP unicast-address
    connection-field = "c=" nettype SP addrtype SP connection-address      RFC 8866 §5.2, §5.7 and §9

Deviations: the user name may hold spaces (soft phones put a display name there), and the family is taken
from the address itself when it contradicts ``addrtype`` (gateways label IPv6 literals as IP4).
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Literal, NamedTuple, TypeAlias

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sdp.rows import excerpt, number_of, tokens_of

AddressKind: TypeAlias = Literal["ip4", "ip6", "name"]

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IP4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
# The last label of a name begins with a letter, or "999.1.1.1" would pass for a name (RFC 1123 §2.1).
_NAME = re.compile(r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})\.)*[A-Za-z](?:[A-Za-z0-9-]{0,62})\.?")
_SUFFIX = re.compile(r"[0-9]{1,5}(?:/[0-9]{1,5})?")
_MAX_NAME = 253
_MAX_CONNECTION = 300
_MAX_NUMBER = 2**64 - 1


class Connection(NamedTuple):
    """A ``c=`` row.

    ``address`` is a literal or a host name without TTL or count; ``kind`` what it is; ``zero`` that it
    means "send nothing here" (0.0.0.0 of RFC 3264 §8.4, ``::``, a name under ``.invalid``); ``unicast``
    that it is neither multicast nor broadcast nor reserved; ``suffix`` the part after the first slash.
    """

    address: str
    kind: AddressKind
    zero: bool = False
    unicast: bool = True
    suffix: str = ""


class Origin(NamedTuple):
    """An ``o=`` row; ``session_id`` and ``version`` are 0..2**64-1."""

    username: str
    session_id: int
    version: int
    address: str


def parse_connection(value: str) -> Connection:
    """The value of a ``c=`` row, such as ``IN IP4 192.0.2.1`` or ``IN IP4 233.252.0.1/127/3``.

    Raises RemoteProtocolError 400 for another network than IN, another family than IP4 and IP6, or an
    address that is neither a literal nor a host name.
    """
    if len(value) > _MAX_CONNECTION:  # nothing longer may enter the cache
        raise RemoteProtocolError(f"c= is {excerpt(value)}, expected at most {_MAX_CONNECTION} characters")
    return _parse_connection(value)


@lru_cache(maxsize=4096)
def _parse_connection(value: str) -> Connection:
    tokens = tokens_of(value)
    if len(tokens) != 3 or tokens[0].upper() != "IN" or tokens[1].upper() not in {"IP4", "IP6"}:
        raise RemoteProtocolError(f"c= is {excerpt(value)}, expected 'IN IP4 address' or 'IN IP6 address'")
    address, slash, suffix = tokens[2].partition("/")
    connection = parse_address(address)
    if connection is None or (slash and not _SUFFIX.fullmatch(suffix)):
        raise RemoteProtocolError(f"c= is {excerpt(value)}, expected an IPv4 or IPv6 address or a host name")
    return connection._replace(suffix=suffix) if suffix else connection


def parse_address(address: str) -> Connection | None:
    """What an address is; None when it is neither a literal nor a host name."""
    if _IP4.fullmatch(address):
        return Connection(address, "ip4", address == "0.0.0.0", int(address.partition(".")[0]) < 224)  # noqa: S104
    if ":" in address:
        return _parse_ip6(address)
    if len(address) <= _MAX_NAME and _NAME.fullmatch(address):
        # RFC 6157: an offer over IPv6 says "nowhere yet" by a name under .invalid.
        return Connection(address, "name", address.rstrip(".").lower().endswith(".invalid"))
    return None


def _parse_ip6(address: str) -> Connection | None:
    if "%" in address or len(address) > 45:  # a zone means nothing outside the peer's own host
        return None
    try:
        parsed = IPv6Address(address)
    except AddressValueError:
        return None
    mapped = parsed.ipv4_mapped
    unicast = not parsed.is_multicast and (mapped is None or int(mapped) >> 24 < 224)
    return Connection(address, "ip6", int(parsed) == 0, unicast)


def parse_origin(value: str) -> Origin:
    """The value of an ``o=`` row; raises RemoteProtocolError 400 unless its last five fields are in order."""
    tokens = tokens_of(value)
    numbers = [number_of(token, _MAX_NUMBER) for token in tokens[-5:-3]]
    if len(tokens) < 6 or numbers[0] is None or numbers[1] is None:
        raise RemoteProtocolError(
            f"o= is {excerpt(value)}, expected 'username sess-id sess-version IN IP4 address'"
        )
    return Origin(" ".join(tokens[:-5]), numbers[0], numbers[1], tokens[-1])
