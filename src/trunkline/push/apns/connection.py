"""One HTTP/2 connection to APNs without I/O: bytes and the time go in, bytes and events come out (RFC 9113).

    connection = Connection("api.push.apple.com")
    connection.begin(now)
    transport.write(connection.data_to_send())
    for event in connection.receive(data, now): ...       # see ``happenings``
    for event in connection.advance(now): ...             # at connection.next_deadline()

Only what a client needs that sends small requests and reads small answers: the peer's limits are kept (streams,
windows, frames, its header table), a request is begun only when the peer takes another stream, and a silent peer is
asked by PING whether it is there. After a GOAWAY the streams up to its last id are still answered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from struct import iter_unpack, pack
from typing import ClassVar, Final

from hpack import Decoder, HPACKError

from trunkline.base.errors import LocalProtocolError, RemoteProtocolError
from trunkline.push.apns import frames
from trunkline.push.apns.frames import (
    BrokenError,
    Frame,
    FrameReader,
    code_name,
    content_of,
    frame,
    number_of,
    numbered,
)
from trunkline.push.apns.happenings import Answered, Dead, Happening, Leaving, Lost, Ready, Reply, Request
from trunkline.push.apns.header_blocks import HeaderBlocks

MAX_BODY: Final = 4096  # of an answer: Apple's are a reason and a time
MAX_AT_ONCE: Final = 1000
MAX_HEADERS: Final = 16_384  # of an answer, as they are read
_LAST_STREAM: Final = 2**30  # ids end at 2^31 - 1 (RFC 9113 §5.1.1); a new connection long before

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_WINDOW: Final = 65_535
_LARGEST_WINDOW: Final = 2**31 - 1

# RFC 9113 §6.5.2
_TABLE_SIZE: Final = 0x1
_ENABLE_PUSH: Final = 0x2
_CONCURRENT_STREAMS: Final = 0x3
_INITIAL_WINDOW: Final = 0x4
_FRAME_SIZE: Final = 0x5
_HEADER_LIST: Final = 0x6


@dataclass(slots=True)
class _Unsent:
    """What is left of a body, and how much of it the peer takes on its stream."""

    body: bytes
    window: int


@dataclass(slots=True)
class _Block:
    """A header block whose end has not come yet."""

    stream: int
    ends: bool
    data: bytes


class Connection:
    """``authority`` is the host, with its port unless that is 443. ``idle_s`` of silence are followed by a PING, which
    must be answered within ``pong_s``."""

    def __init__(self, authority: str, *, idle_s: float = 60.0, pong_s: float = 1.0) -> None:
        self._idle_s = idle_s
        self._pong_s = pong_s
        self._out: list[bytes] = []
        self._reader = FrameReader()
        self._decoder = Decoder(MAX_HEADERS)
        self._block: _Block | None = None
        self._blocks = HeaderBlocks(authority.encode("ascii"))
        self._replies: dict[int, Reply | None] = {}
        self._unsent: dict[int, _Unsent] = {}
        self._next = 1
        self._limit = MAX_AT_ONCE
        self._frame_size = frames.MAX_FRAME
        self._first_window = self._window = (
            _WINDOW  # how much the peer takes: on a new stream, on all of them
        )
        self._taken = 0  # how much it has sent since we last gave it room
        self._pinged: float | None = None
        self._heard = 0.0
        self.ready = False
        self.leaving = False

    @property
    def open(self) -> int:
        """Requests that are not answered yet."""
        return len(self._replies)

    @property
    def free(self) -> int:
        """How many more requests the peer takes now."""
        return self._limit - len(self._replies) if self.ready and not self.leaving else 0

    @property
    def limit(self) -> int:
        """How many requests at once the peer takes."""
        return self._limit if self.ready else 0

    @property
    def kept(self) -> list[tuple[bytes, bytes]]:
        """The headers that the peer keeps for us."""
        return self._blocks.kept

    def begin(self, now: float) -> None:
        """The preface (RFC 9113 §3.4)."""
        settings = pack(">HIHI", _ENABLE_PUSH, 0, _HEADER_LIST, MAX_HEADERS)
        self._out += (_PREFACE, frame(frames.SETTINGS, 0, 0, settings))
        self._heard = now

    def request(self, request: Request) -> int:
        """Begin one; the id of its stream. Raises LocalProtocolError when there is no room (see ``free``)."""
        if self.free <= 0:
            raise LocalProtocolError("the peer takes no more requests now")
        block = self._blocks.block(request.path, request.usual, request.own)
        if len(block) > frames.MAX_FRAME:
            raise LocalProtocolError("a request with more than 16384 bytes of headers")
        stream = self._next
        self._next += 2
        self._out.append(frame(frames.HEADERS, frames.END_HEADERS, stream, block))
        self._replies[stream] = None
        self._unsent[stream] = _Unsent(request.body, self._first_window)
        self._send_body(stream)
        self.leaving = self.leaving or stream > _LAST_STREAM
        return stream

    def cancel(self, stream: int) -> None:
        """Nobody waits for this answer any more (RST_STREAM, RFC 9113 §8.1.1)."""
        if stream in self._replies:
            del self._replies[stream]
            self._unsent.pop(stream, None)
            self._out.append(numbered(frames.RST_STREAM, stream, frames.CANCEL))

    def doubt(self, now: float) -> None:
        """Ask the peer whether it is there; ``Dead`` follows when it is not."""
        if self._pinged is None:
            self._pinged = now
            self._out.append(frame(frames.PING, 0, 0, b"trunklin"))

    def close(self) -> None:
        """Say goodbye (GOAWAY without an error)."""
        self._goodbye(frames.NO_ERROR)

    def data_to_send(self) -> bytes:
        """What the last calls have to say."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def next_deadline(self) -> float:
        """When to call ``advance``."""
        return self._heard + self._idle_s if self._pinged is None else self._pinged + self._pong_s

    def advance(self, now: float) -> Sequence[Happening]:
        """Time has passed: a PING goes out, or the peer has not answered one."""
        if self._pinged is not None:
            return [Dead("no answer to PING")] if now >= self._pinged + self._pong_s else []
        if now >= self._heard + self._idle_s:
            self.doubt(now)
        return []

    def receive(self, data: bytes, now: float) -> list[Happening]:
        """Bytes of the peer. Raises RemoteProtocolError for what HTTP/2 forbids; the connection is of no use then."""
        self._heard = now
        happened: list[Happening] = []
        try:
            for one in self._reader.feed(data):
                self._take(one, happened)
        except BrokenError as error:
            self._goodbye(error.code)
            raise RemoteProtocolError(f"HTTP/2: {error}") from error
        return happened

    def _take(self, one: Frame, happened: list[Happening]) -> None:
        kind, flags, stream, payload = one
        if self._block is not None and (kind, stream) != (frames.CONTINUATION, self._block.stream):
            raise BrokenError("a frame within a header block")
        take = self._TAKERS.get(kind)
        if take is not None:  # RFC 9113 §5.5: what is not known is ignored
            take(self, flags, stream, payload, happened)

    # Frames that come in

    def _headers(self, flags: int, stream: int, payload: bytes, happened: list[Happening]) -> None:
        self._begun(stream)
        data = content_of(flags, payload, priority=bool(flags & frames.WITH_PRIORITY))
        self._block = _Block(stream, bool(flags & frames.END_STREAM), data)
        if flags & frames.END_HEADERS:
            self._take_block(self._block, happened)

    def _continuation(self, flags: int, _stream: int, payload: bytes, happened: list[Happening]) -> None:
        if self._block is None:
            raise BrokenError("a CONTINUATION of nothing")
        self._block.data += payload
        if len(self._block.data) > MAX_HEADERS:
            raise BrokenError("an answer with more than 16384 bytes of headers", frames.ENHANCE_YOUR_CALM)
        if flags & frames.END_HEADERS:
            self._take_block(self._block, happened)
        elif not payload:
            raise BrokenError("a CONTINUATION that continues nothing", frames.ENHANCE_YOUR_CALM)

    def _take_block(self, block: _Block, happened: list[Happening]) -> None:
        self._block = None
        try:
            fields = list(self._decoder.decode(block.data, raw=True))
        except (HPACKError, IndexError, TypeError) as error:
            raise BrokenError(type(error).__name__, frames.COMPRESSION_ERROR) from error
        if block.stream not in self._replies:
            return  # cancelled by us, or answered: the peer's table is what had to be followed
        if self._replies[block.stream] is None:
            reply = _reply_of(fields)
            if reply.status >= 200:
                self._replies[block.stream] = reply
            elif block.ends:
                raise BrokenError("an answer that ends before its status")
        elif not block.ends:
            raise BrokenError("headers within an answer")
        if block.ends:
            self._ended(block.stream, happened)

    def _data(self, flags: int, stream: int, payload: bytes, happened: list[Happening]) -> None:
        self._begun(stream)
        self._give_room(len(payload))
        data = content_of(flags, payload)
        if stream not in self._replies:
            return
        reply = self._replies[stream]
        if reply is None:
            raise BrokenError("an answer without headers")
        reply.body += data
        if len(reply.body) > MAX_BODY:
            raise BrokenError("an answer with more than 4096 bytes", frames.ENHANCE_YOUR_CALM)
        if flags & frames.END_STREAM:
            self._ended(stream, happened)

    def _give_room(self, length: int) -> None:
        """RFC 9113 §6.9: the window of the connection; an answer is too small for that of its stream."""
        self._taken += length
        if self._taken > _WINDOW:
            raise BrokenError("more than our window takes", frames.FLOW_CONTROL_ERROR)
        if self._taken > _WINDOW // 2:
            self._out.append(numbered(frames.WINDOW_UPDATE, 0, self._taken))
            self._taken = 0

    def _ended(self, stream: int, happened: list[Happening]) -> None:
        reply = self._replies.pop(stream)
        if reply is None:
            raise BrokenError("an answer without headers")
        if self._unsent.pop(stream, None) is not None:
            # Answered before we said all (RFC 9113 §8.1): the rest is not wanted.
            self._out.append(numbered(frames.RST_STREAM, stream, frames.CANCEL))
        happened.append(Answered(stream, reply))

    def _reset(self, _flags: int, stream: int, payload: bytes, happened: list[Happening]) -> None:
        self._begun(stream)
        code = number_of(payload)
        if stream not in self._replies:
            return
        reply = self._replies.pop(stream)
        early = self._unsent.pop(stream, None) is not None
        if reply is not None and code == frames.NO_ERROR and early:
            happened.append(Answered(stream, reply))
            return
        untouched = code == frames.REFUSED_STREAM  # RFC 9113 §8.7
        happened.append(Lost(stream, untouched, f"reset: {code_name(code)}"))

    def _settings(self, flags: int, stream: int, payload: bytes, happened: list[Happening]) -> None:
        if stream or len(payload) % 6 or (flags & frames.ACK and payload):
            raise BrokenError("a SETTINGS frame of another form", frames.FRAME_SIZE_ERROR)
        if flags & frames.ACK:
            return
        for name, value in iter_unpack(">HI", payload):
            self._set(name, value)
        self._out.append(frame(frames.SETTINGS, frames.ACK, 0))
        if not self.ready:
            self.ready = True
            happened.append(Ready())
        self._send_bodies()

    def _set(self, name: int, value: int) -> None:
        if name == _TABLE_SIZE:
            self._blocks.resize(value)
        elif name == _CONCURRENT_STREAMS:
            self._limit = min(value, MAX_AT_ONCE)
        elif name == _ENABLE_PUSH and value:
            raise BrokenError("a peer that would push to us")
        elif name == _FRAME_SIZE:
            if not frames.MAX_FRAME <= value < 2**24:
                raise BrokenError("a size of frames that is not 16384 to 16777215")
            self._frame_size = min(value, frames.MAX_FRAME)
        elif name == _INITIAL_WINDOW:
            if value > _LARGEST_WINDOW:
                raise BrokenError("a window of more than 2^31-1 bytes", frames.FLOW_CONTROL_ERROR)
            # RFC 9113 §6.9.2: it holds for the streams that there are, whose windows may become negative.
            for unsent in self._unsent.values():
                unsent.window += value - self._first_window
            self._first_window = value

    def _ping(self, flags: int, stream: int, payload: bytes, _happened: list[Happening]) -> None:
        if stream or len(payload) != 8:
            raise BrokenError("a PING of another form", frames.FRAME_SIZE_ERROR)
        if flags & frames.ACK:
            self._pinged = None
        else:
            self._out.append(frame(frames.PING, frames.ACK, 0, payload))

    def _window_update(self, _flags: int, stream: int, payload: bytes, _happened: list[Happening]) -> None:
        more = number_of(payload) & _LARGEST_WINDOW
        if stream:
            self._begun(stream)
        unsent = self._unsent.get(stream)
        window = more + (self._window if not stream else unsent.window if unsent is not None else 0)
        if not more or window > _LARGEST_WINDOW:
            raise BrokenError("a window of 0 or more than 2^31-1 bytes", frames.FLOW_CONTROL_ERROR)
        if unsent is not None:
            unsent.window = window
            self._send_body(stream)
        elif not stream:
            self._window = window
            self._send_bodies()

    def _left(self, _flags: int, _stream: int, payload: bytes, happened: list[Happening]) -> None:
        """RFC 9113 §6.8: streams above the last id were not touched; a second GOAWAY may name a lower one."""
        goaway = frames.goaway_of(payload)
        why = f"GOAWAY: {goaway.reason or code_name(goaway.code)}"
        for stream in [one for one in self._replies if one > goaway.last_stream]:
            del self._replies[stream]
            self._unsent.pop(stream, None)
            happened.append(Lost(stream, untouched=True, why=why))
        if not self.leaving:
            self.leaving = True
            happened.append(Leaving(why))

    def _promised(self, _flags: int, _stream: int, _payload: bytes, _happened: list[Happening]) -> None:
        raise BrokenError("a peer that pushes to us")  # RFC 9113 §6.6: we have said that it may not

    def _begun(self, stream: int) -> None:
        """RFC 9113 §5.1: nothing comes on a stream that we have not begun."""
        if not stream % 2 or stream >= self._next:
            raise BrokenError("a stream that nobody has begun")

    # What goes out

    def _goodbye(self, code: int) -> None:
        self._out.append(frame(frames.GOAWAY, 0, 0, pack(">II", 0, code)))

    def _send_bodies(self) -> None:
        for stream in list(self._unsent):
            self._send_body(stream)

    def _send_body(self, stream: int) -> None:
        """As much as the windows of the stream and of the connection let through (RFC 9113 §5.2)."""
        unsent = self._unsent[stream]
        while True:
            size = len(unsent.body)
            room = max(0, min(unsent.window, self._window, self._frame_size))
            if size and not room:
                return
            part, ends = unsent.body[:room], size <= room
            self._out.append(frame(frames.DATA, frames.END_STREAM if ends else 0, stream, part))
            self._window -= len(part)
            if ends:
                del self._unsent[stream]
                return
            unsent.window -= len(part)
            unsent.body = unsent.body[room:]

    _TAKERS: ClassVar[dict[int, Callable[[Connection, int, int, bytes, list[Happening]], None]]] = {
        frames.DATA: _data,
        frames.HEADERS: _headers,
        frames.RST_STREAM: _reset,
        frames.SETTINGS: _settings,
        frames.PUSH_PROMISE: _promised,
        frames.PING: _ping,
        frames.GOAWAY: _left,
        frames.WINDOW_UPDATE: _window_update,
        frames.CONTINUATION: _continuation,
    }


def _reply_of(fields: Sequence[tuple[bytes, bytes]]) -> Reply:
    found = {bytes(name): bytes(value) for name, value in fields}
    status = found.get(b":status", b"")
    if len(status) != 3 or not status.isdigit() or status < b"100":
        raise BrokenError("an answer without a status")
    return Reply(int(status), found)
