"""HTTP as nearly every client writes it, past h11, which is in Python and looks at each part many times.

A request is usual when it came whole and alone: its head of plain characters, one Host, a body as long as
Content-Length says or none, and nothing about the connection itself. Whatever else comes is h11's from its first byte,
so no message is ever read by two readers; and what is taken here h11 would have read the same.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, RequestResponseCycle

# RFC 9112 §3, §5: no folding, no tabs, no line that ends in LF alone. Each character can be matched in one way only.
_request: Final = re.compile(
    rb"(GET|POST|PATCH|DELETE) (/[!-~]*) HTTP/1\.1\r\n((?:[-!#$%&'*+.^_`|~0-9a-zA-Z]+:[ -~]*\r\n)+)\r\n"
).match
_length: Final = re.compile(rb"[0-9]{1,9}\Z").match
_name: Final = re.compile(rb"[-!#$%&'*+.^_`|~0-9a-zA-Z]+\Z").match
_value: Final = re.compile(rb"(?:[!-~\x80-\xff]+(?:[ \t]+[!-~\x80-\xff]+)*)?\Z").match
_UNUSUAL: Final = frozenset({b"transfer-encoding", b"upgrade", b"expect"})
_CLOSE: Final = (b"connection", b"close")
_STATUS_LINES: Final = {
    status: b"HTTP/1.1 %d %s\r\n" % (status, phrase) for status, phrase in STATUS_PHRASES.items()
}


class Usual(NamedTuple):
    """One whole request; the names of ``headers`` are in lower case, as ASGI wants them."""

    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes


def read_usual(data: bytes, max_head: int) -> Usual | None:
    """The request that ``data`` is, None when it is not exactly one, or not usual. Never raises."""
    found = _request(data, 0, max_head)  # no further: whoever sends much more must not be read twice
    if found is None:
        return None
    headers: list[tuple[bytes, bytes]] = []
    hosts, length = 0, b""
    for line in found[3].split(b"\r\n")[:-1]:
        raw, _, value = line.partition(b":")
        name, value = raw.lower(), value.strip(b" ")
        if name == b"host":
            hosts += 1
        elif name == b"content-length":
            if length or not _length(value):
                return None
            length = value
        elif name in _UNUSUAL or (name == b"connection" and value.lower() != b"keep-alive"):
            return None
        headers.append((name, value))
    body = data[found.end() :]
    if hosts != 1 or len(body) != int(length or b"0"):
        return None
    return Usual(found[1].decode(), found[2], headers, body)


@lru_cache(maxsize=256)
def _line(name: bytes, value: bytes) -> bytes:
    """A header of a reply; nearly all are the same in each. RuntimeError for one that would be two."""
    if not _name(name) or not _value(value):
        raise RuntimeError("the application sent a header that is none")
    return b"%b: %b\r\n" % (name, value)


class UsualCycle(RequestResponseCycle):
    """A usual request and its reply, which h11 hears nothing of: the same bytes as from there."""

    _start: bytes = b""
    _chunked = False
    _left = 0

    def take(self, body: bytes) -> None:
        """All that comes of the request."""
        self.body += body
        self.more_body = False
        self.message_event.set()

    async def send(self, message: ASGISendEvent) -> None:
        """ASGI: the reply's head, then its body in one part or in several."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if not self.response_started and message["type"] == "http.response.start":
            self._begin(message["status"], [*self.default_headers, *message.get("headers", ())])
        elif self.response_started and not self.response_complete and message["type"] == "http.response.body":
            self._go_on(message.get("body", b""), more=message.get("more_body", False))
        else:
            raise RuntimeError(f"the application sent {message['type']} where it does not belong")

    def _begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.response_started = True
        parts = [_STATUS_LINES[status]]
        length: int | None = 0 if status in {204, 304} else None  # RFC 9112 §6.3
        for name, value in headers:
            parts.append(_line(name, value))
            if name == b"content-length" and length is None:
                length = int(value)
        if _CLOSE in headers:
            self.keep_alive = False
        if length is None:
            parts.append(b"Transfer-Encoding: chunked\r\n")
        parts.append(b"\r\n")
        self._chunked, self._left = length is None, length or 0
        self.transport.write(b"".join(parts))

    def _go_on(self, body: bytes, *, more: bool) -> None:
        if self._chunked:
            self.transport.write(
                (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"" if more else b"0\r\n\r\n")
            )
        else:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                raise RuntimeError("the application sent another length than it told")
            self.transport.write(body)
        if not more:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()
