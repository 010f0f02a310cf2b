"""What goes into a connection to APNs, and what happens on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from trunkline.push.apns.header_blocks import Fields


@dataclass(frozen=True, slots=True)
class Request:
    """A POST. ``usual`` are headers that the next requests have too, so that the peer keeps them (RFC 7541 §6.2.1)
    and they cost a byte each; ``own`` are of this request alone, and never kept."""

    path: bytes = field(repr=False)
    usual: Fields = field(repr=False)
    own: Fields = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(slots=True)
class Reply:
    """What the peer answered: a status, headers by name, at most 4096 bytes of body."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Ready:
    """The peer's settings have come: requests may be begun."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A request has its whole answer."""

    stream: int
    reply: Reply


@dataclass(frozen=True, slots=True)
class Lost:
    """A request will not be answered here. ``untouched``: the peer says that it did nothing with it."""

    stream: int
    untouched: bool
    why: str


@dataclass(frozen=True, slots=True)
class Leaving:
    """The peer takes no more requests (GOAWAY); those that were not told as lost are still answered."""

    why: str


@dataclass(frozen=True, slots=True)
class Dead:
    """The peer did not answer a PING: all requests on it are lost."""

    why: str


Happening: TypeAlias = Ready | Answered | Lost | Leaving | Dead
