"""Which of many datagrams goes first, while there are more than can be served: a look at bytes, without parsing."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

Datagram: TypeAlias = tuple[bytes, tuple[str, int]]


class Backlog(NamedTuple):
    """How many datagrams wait to be read, about; and how many were ``dropped`` so far because too many did."""

    waiting: int
    dropped: int


_NEW: Final = (b"INVITE ", b"REGISTER ", b"SUBSCRIBE ", b"MESSAGE ", b"PUBLISH ", b"REFER ")
_to_tag = re.compile(rb"[\r\n](?:To|t)[ \t]*:[^\r\n]*;[ \t]*tag=", re.IGNORECASE).search
_call_id = re.compile(rb"[\r\n](?:Call-ID|i)[ \t]*:[ \t]*([^ \t\r\n]+)", re.IGNORECASE).search


def is_new(data: bytes) -> bool:
    """Whether a message asks for something new: a request of the larger methods whose To has no tag.

    A folded To may be mistaken for a new one: it is served later, not otherwise.
    """
    return data.startswith(_NEW) and _to_tag(data) is None


class Triage:
    """Hands what belongs to something that stands (and every response) to ``serve`` at once, and keeps what is new
    until there is time for some of it: a burst of new calls must not hold up what those before them wait for.

    Who reads stops at ``full``, so that ``most`` wait here. Nothing is dropped, and each kind stays in its order. A
    CANCEL whose INVITE waits does so behind it: answered before it, it would find no call, and the INVITE would ring.
    """

    __slots__ = ("_invites", "_most", "_serve", "waiting")

    def __init__(self, serve: Callable[[bytes, tuple[str, int]], None], most: int) -> None:
        self._serve = serve
        self._most = most
        self.waiting: deque[Datagram] = deque()
        self._invites: dict[bytes, int] = {}  # how many of each Call-ID wait

    @property
    def full(self) -> bool:
        """Whether no more is to be taken."""
        return len(self.waiting) >= self._most

    def take(self, datagram: Datagram) -> None:
        """One datagram as it came."""
        data = datagram[0]
        if is_new(data):
            if data.startswith(b"INVITE "):
                call = _call_of(data)
                self._invites[call] = self._invites.get(call, 0) + 1
            self.waiting.append(datagram)
        elif self._invites and data.startswith(b"CANCEL ") and _call_of(data) in self._invites:
            self.waiting.append(datagram)
        else:
            self._serve(*datagram)

    def serve_new(self, most: int) -> None:
        """Serve up to ``most`` of those that wait."""
        waiting = self.waiting  # emptied when what is served closes the socket
        while waiting and most > 0:
            datagram = waiting.popleft()
            if datagram[0].startswith(b"INVITE "):
                self._forget(_call_of(datagram[0]))
            self._serve(*datagram)
            most -= 1

    def clear(self) -> None:
        """Drop all that waits."""
        self.waiting.clear()
        self._invites.clear()

    def _forget(self, call: bytes) -> None:
        count = self._invites.pop(call)
        if count > 1:
            self._invites[call] = count - 1


def _call_of(data: bytes) -> bytes:
    found = _call_id(data)
    return found[1] if found is not None else b""
