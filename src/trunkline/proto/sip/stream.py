"""SIP out of a byte stream: messages by Content-Length (RFC 3261 §18.3), keep-alives (RFC 5626 §4.4.1).

Bytes go in, in pieces of any size; whole messages and pings come out. Every byte is looked at once, so a peer
that sends one byte at a time costs no more than one that does not. A stream that broke the rules cannot be
read any further, because nobody knows where the next message begins: its connection must be closed.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from trunkline.base.errors import RemoteProtocolError

MAX_MESSAGE: Final = 65536
MAX_HEAD: Final = 32768

_CRLF: Final = b"\r\n"
_END_OF_HEAD: Final = b"\r\n\r\n"

# Content-Length = ( "Content-Length" / "l" ) HCOLON 1*DIGIT (RFC 3261 §25.1), with the value taken up to the
# end of its logical line: a CR ends it only when a LF follows that no folding white space continues.
_CONTENT_LENGTH: Final = re.compile(
    rb"\r\n(?:content-length|l)[ \t]*:([^\r]*(?:\r(?!\n[^ \t])[^\r]*)*)", re.IGNORECASE
)

# A start line begins with a token (RFC 3261 §25.1): what begins otherwise (TLS, binary noise) is refused at
# its first byte instead of being kept until the bound.
_TOKEN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.!%*_+`'~")


class Ping:
    """The double CRLF by which a client keeps its flow alive; answer it with one CRLF (RFC 5626 §4.4.1)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Ping()"


PING: Final = Ping()
PONG_BYTES: Final = _CRLF

Event: TypeAlias = bytes | Ping


class StreamFramer:
    """Cuts one connection's bytes into messages.

    ``max_message`` bounds a whole message and ``max_head`` its start line and headers, in bytes; what is
    kept never exceeds ``max_message`` and the piece fed last.
    """

    __slots__ = ("_buffer", "_crlfs", "_max_head", "_max_message", "_scanned", "_wanted", "error")

    def __init__(self, max_message: int = MAX_MESSAGE, max_head: int = MAX_HEAD) -> None:
        self.error: RemoteProtocolError | None = None
        self._max_message = max_message
        self._max_head = min(max_head, max_message)
        self._buffer = bytearray()
        self._wanted = 0  # length of the message being received, 0 while its head is not complete
        self._scanned = 0  # where to go on looking for the end of the head
        self._crlfs = 0  # CRLFs seen since the last message

    @property
    def buffered(self) -> int:
        """Bytes kept of a message that is not complete."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Event]:
        """The messages (with their heads, as received) and pings that ``data`` completed, in order.

        What was whole before a fault is still returned: the fault then stands in ``error``, and any further
        call raises it. With nothing whole before it, this call raises ``RemoteProtocolError`` (400 or 513).
        """
        self._refuse_after_fault()
        events: list[Event] = []
        if not self._buffer:
            # Most segments hold whole messages: nothing is copied but the messages themselves.
            used = self._cut(data, events)
            if used < len(data):
                self._buffer += data[used:] if used else data
        else:
            self._buffer += data
            used = self._cut(self._buffer, events)
            del self._buffer[:used]
        if not events:
            self._refuse_after_fault()
        return events

    def _refuse_after_fault(self) -> None:
        if self.error is not None:
            raise self.error

    def _cut(self, buffer: bytes | bytearray, events: list[Event]) -> int:
        """Append what is complete in ``buffer`` to ``events``; returns how many bytes are done with."""
        at = 0
        end = len(buffer)
        try:
            while at < end:
                if not self._wanted:
                    if not self._scanned:
                        at = self._skip_crlfs(buffer, at, events)
                        if at >= end or buffer[at] == 13:
                            break
                    if not self._read_head(buffer, at):
                        break
                if end - at < self._wanted:
                    break
                events.append(bytes(buffer[at : at + self._wanted]))
                at += self._wanted
                self._wanted = 0
        except RemoteProtocolError as error:
            self.error = error
            return end
        return at

    def _skip_crlfs(self, buffer: bytes | bytearray, at: int, events: list[Event]) -> int:
        """Step over CRLFs before a start line (RFC 3261 §7.5); each second one in a row is a ping.

        A single CRLF is the pong to a ping of ours, or noise, and is swallowed.
        """
        while buffer.startswith(_CRLF, at):
            at += 2
            self._crlfs += 1
            if self._crlfs == 2:
                self._crlfs = 0
                events.append(PING)
        if at < len(buffer) and buffer[at] not in _TOKEN:
            if buffer[at] != 13 or at + 1 < len(buffer):
                raise RemoteProtocolError(f"a start line cannot begin with byte 0x{buffer[at]:02x}")
        elif at < len(buffer):
            self._crlfs = 0
        return at

    def _read_head(self, buffer: bytes | bytearray, at: int) -> bool:
        """Look for the end of the head that begins at ``at``; True once ``_wanted`` is known."""
        found = buffer.find(_END_OF_HEAD, at + max(0, self._scanned - 3))
        head = (len(buffer) if found < 0 else found + 4) - at
        if head > self._max_head:
            raise RemoteProtocolError(f"the headers exceed {self._max_head} bytes", 513)
        if found < 0:
            self._scanned = head
            return False
        length = _content_length(buffer, at, found + 4)
        if head + length > self._max_message:
            raise RemoteProtocolError(f"the message exceeds {self._max_message} bytes", 513)
        self._wanted = head + length
        self._scanned = 0
        return True


def _content_length(buffer: bytes | bytearray, start: int, end: int) -> int:
    """The Content-Length of the head in ``buffer[start:end]``; a stream needs one (RFC 3261 §20.14)."""
    lengths = {_number(value) for value in _CONTENT_LENGTH.findall(buffer, start, end)}
    if not lengths:
        raise RemoteProtocolError("a message on a stream needs a Content-Length")
    if len(lengths) > 1:
        raise RemoteProtocolError("the Content-Length headers contradict each other")
    return lengths.pop()


def _number(value: bytes | bytearray) -> int:
    digits = value.strip(b" \t\r\n")
    if not digits.isdigit():
        raise RemoteProtocolError("a Content-Length must be a number of digits")
    # int() itself refuses thousands of digits with a ValueError, and no such length is acceptable anyway.
    significant = digits.lstrip(b"0")
    if len(significant) > 9:
        raise RemoteProtocolError("the Content-Length is too large", 513)
    return int(significant or b"0")
