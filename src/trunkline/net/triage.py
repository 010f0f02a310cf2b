"""Which of many datagrams goes first, while there are more than can be served: a look at bytes, without parsing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, TypeAlias

Datagram: TypeAlias = tuple[bytes, tuple[str, int]]


class Backlog(NamedTuple):
    """How many datagrams wait to be read, about; and how many were ``dropped`` so far because too many did."""

    waiting: int
    dropped: int


_NEW: Final = (b"INVITE ", b"REGISTER ", b"SUBSCRIBE ", b"MESSAGE ", b"PUBLISH ", b"REFER ")
_to_tag = re.compile(rb"[\r\n](?:To|t)[ \t]*:[^\r\n]*;[ \t]*tag=", re.IGNORECASE).search


def is_new(data: bytes) -> bool:
    """Whether a message asks for something new: a request of the larger methods whose To has no tag.

    A folded To may be mistaken for a new one: it is served later, not otherwise.
    """
    return data.startswith(_NEW) and _to_tag(data) is None


def in_order(burst: Iterable[Datagram], serve: Callable[[bytes, tuple[str, int]], None]) -> None:
    """Serve what belongs to something that stands (and every response) first, then what is new, each in its order."""
    later: list[Datagram] = []
    for datagram in burst:
        if is_new(datagram[0]):
            later.append(datagram)
        else:
            serve(*datagram)
    for datagram in later:
        serve(*datagram)
