"""One HTTP/2 connection to APNs without I/O: bytes and the time go in, bytes and events come out (RFC 9113).

    connection = Connection("api.push.apple.com")
    connection.begin(now)
    transport.write(connection.data_to_send())
    for event in connection.receive(data, now): ...       # Ready, Answered, Lost, Leaving, Dead
    for event in connection.advance(now): ...             # at connection.next_deadline()

The states and frames are h2's; three things are not. h2 closes at the first GOAWAY, while the streams up to its
last id are still to be answered, so that frame never gets to it. A request is begun only when the peer takes another
stream. And a silent peer is asked by PING whether it is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    PingAckReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from hpack import Encoder
from hpack.hpack import encode_integer
from hpack.struct import Header

from trunkline.base.errors import LocalProtocolError, RemoteProtocolError
from trunkline.base.values import value
from trunkline.push.apns.frames import GoAway, GoAwayFilter

MAX_BODY: Final = 4096  # of an answer: Apple's are a reason and a time
MAX_AT_ONCE: Final = 1000
_CLOSED: Final = 64  # streams that h2 may keep in mind beside the open ones
_LAST_STREAM: Final = 2**30  # ids end at 2^31 - 1 (RFC 9113 §5.1.1); a new connection long before

_INDEXED: Final = 0x80  # a header that is in the table (RFC 7541 §6.1)
_LONG: Final = 127  # lengths from here on take more than a byte (RFC 7541 §5.1)
_LENGTHS: Final = tuple(bytes((length,)) for length in range(_LONG))

Pair: TypeAlias = tuple[bytes, bytes]
_POST: Final = (b":method", b"POST")
_HTTPS: Final = (b":scheme", b"https")


@value
class Request:
    """A POST. ``usual`` are headers that the next requests have too, so that the peer keeps them (RFC 7541 §6.2.1)
    and they cost a byte each; ``own`` are of this request alone, and never kept."""

    path: bytes = field(repr=False)
    usual: tuple[Pair, ...] = field(repr=False)
    own: tuple[Pair, ...] = field(repr=False)
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


@value
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


class _RequestEncoder(Encoder):
    """Encodes ``request`` when h2 wants the headers that it was given encoded.

    h2 copies each of those, so it is given only what it looks at itself. Without Huffman's code, which spares some 30
    bytes of a request and costs more than the rest of its headers. What the peer keeps has the same index until its
    table changes, and is not looked up again for each request; neither are names.
    """

    def __init__(self, authority: Pair) -> None:
        super().__init__()
        self._first = (_POST, _HTTPS, authority)
        self._kept: dict[Pair, bytes] = {}
        self._names: dict[bytes, bytes] = {}
        self.request: Request | None = None

    def encode(self, headers: Any, huffman: bool = False) -> bytes:
        """The header block of ``request``; ``headers`` are not looked at."""
        request = self.request
        if request is None:
            raise LocalProtocolError("headers of no request")
        pieces = []
        if self.header_table.resized:
            self._forget()
            pieces.append(super().encode((), huffman))  # which says how large the table is now
        pieces += [self._usual(pair) for pair in self._first]
        pieces.append(self._own(b":path", request.path))
        pieces += [self._usual(pair) for pair in request.usual]
        pieces += [self._own(name, value) for name, value in request.own]
        return b"".join(pieces)

    def _usual(self, pair: Pair) -> bytes:
        known = self._kept.get(pair)
        if known is None:
            known = self.add(pair, False)
            if known[0] & _INDEXED:
                self._kept[pair] = known
            else:
                self._forget()  # indices count from the newest entry: all are others now
        return known

    def _own(self, name: bytes, value: bytes) -> bytes:
        """A literal that is never indexed (RFC 7541 §6.2.3): the name or its index, a length, the value."""
        begin = self._names.get(name)
        length = bytes(encode_integer(len(value), 7)) if len(value) >= _LONG else _LENGTHS[len(value)]
        if begin is None:
            whole = self.add((name, value), True)
            if not whole[0] & _INDEXED:
                self._names[name] = whole[: -len(length) - len(value)]
            return whole
        return begin + length + value

    def _forget(self) -> None:
        self._kept.clear()
        self._names.clear()


class _States(H2Connection):
    """h2 walks all streams before each request to count the open ones; here who begins them knows how many they are."""

    begun = 0
    """How many are open, said before each request."""

    @property
    def open_outbound_streams(self) -> int:
        """See ``H2Connection``, which forgets the closed streams by the way: here that is done a few at a time."""
        if len(self.streams) - self.begun > _CLOSED:
            return super().open_outbound_streams
        return self.begun


class Connection:
    """``authority`` is the host, with its port unless that is 443. ``idle_s`` of silence are followed by a PING, which
    must be answered within ``pong_s``."""

    def __init__(self, authority: str, *, idle_s: float = 60.0, pong_s: float = 1.0) -> None:
        named = (b":authority", authority.encode("ascii"))
        self._seen: list[Header] = [_POST, named]  # all that h2 looks at
        # What goes out is written here, in the right form: h2 need not look at each header again.
        self._h2 = _States(
            H2Configuration(
                client_side=True,
                header_encoding=None,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
                normalize_inbound_headers=False,  # which is about cookies alone
            )
        )
        self._h2.encoder = self._encoder = _RequestEncoder(named)
        self._h2.local_settings = Settings(
            client=True,
            initial_values={SettingCodes.ENABLE_PUSH: 0, SettingCodes.MAX_HEADER_LIST_SIZE: 16_384},
        )
        self._filter = GoAwayFilter()
        self._idle_s = idle_s
        self._pong_s = pong_s
        self._replies: dict[int, Reply | None] = {}
        self._unsent: dict[int, bytes] = {}
        self._pinged: float | None = None
        self._heard = 0.0
        self.ready = False
        self.leaving = False
        self.limit = 0
        """How many requests at once the peer takes."""

    @property
    def open(self) -> int:
        """Requests that are not answered yet."""
        return len(self._replies)

    @property
    def free(self) -> int:
        """How many more requests the peer takes now."""
        if not self.ready or self.leaving:
            return 0
        return self.limit - len(self._replies)

    def begin(self, now: float) -> None:
        """The preface (RFC 9113 §3.4)."""
        self._h2.initiate_connection()
        self._heard = now

    def request(self, request: Request) -> int:
        """Begin one; the id of its stream. Raises LocalProtocolError when there is no room (see ``free``)."""
        if self.free <= 0:
            raise LocalProtocolError("the peer takes no more requests now")
        stream = self._h2.get_next_available_stream_id()
        self._encoder.request = request
        self._h2.begun = len(self._replies)
        self._h2.send_headers(stream, self._seen)
        self._encoder.request = None
        self._replies[stream] = None
        self._unsent[stream] = request.body
        self._send_body(stream)
        self.leaving = self.leaving or stream > _LAST_STREAM
        return stream

    def cancel(self, stream: int) -> None:
        """Nobody waits for this answer any more (RST_STREAM, RFC 9113 §8.1.1)."""
        if stream in self._replies:
            del self._replies[stream]
            self._unsent.pop(stream, None)
            self._h2.reset_stream(stream, ErrorCodes.CANCEL)

    def doubt(self, now: float) -> None:
        """Ask the peer whether it is there; ``Dead`` follows when it is not."""
        if self._pinged is None:
            self._pinged = now
            self._h2.ping(b"trunklin")

    def close(self) -> None:
        """Say goodbye (GOAWAY without an error)."""
        self._h2.close_connection()

    def data_to_send(self) -> bytes:
        """What the last calls have to say."""
        return self._h2.data_to_send()

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
            for piece in self._filter.feed(data):
                if isinstance(piece, GoAway):
                    self._left(piece, happened)
                    continue
                for event in self._h2.receive_data(piece):
                    self._take(event, happened)
        except H2Error as error:
            raise RemoteProtocolError(f"HTTP/2: {type(error).__name__}") from error
        return happened

    def _take(self, event: Event, happened: list[Happening]) -> None:
        if isinstance(event, ResponseReceived):
            self._replies[event.stream_id] = _reply_of(event.headers)
        elif isinstance(event, DataReceived):
            self._took_data(event)
        elif isinstance(event, StreamEnded):
            self._ended(event.stream_id, happened)
        elif isinstance(event, StreamReset):
            self._reset(event, happened)
        elif isinstance(event, RemoteSettingsChanged):
            self.limit = min(self._h2.remote_settings.max_concurrent_streams, MAX_AT_ONCE)
            if not self.ready:
                self.ready = True
                happened.append(Ready())
            self._send_bodies()
        elif isinstance(event, WindowUpdated):
            self._send_bodies()
        elif isinstance(event, PingAckReceived):
            self._pinged = None

    def _took_data(self, event: DataReceived) -> None:
        self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        reply = self._replies.get(event.stream_id)
        if reply is not None:
            reply.body += event.data
            if len(reply.body) > MAX_BODY:
                raise RemoteProtocolError("an answer with more than 4096 bytes")

    def _ended(self, stream: int, happened: list[Happening]) -> None:
        reply = self._replies.pop(stream, None)
        if reply is None:
            return  # cancelled by us
        if self._unsent.pop(stream, None) is not None:
            # Answered before we said all (RFC 9113 §8.1): the rest is not wanted.
            self._h2.reset_stream(stream, ErrorCodes.CANCEL)
        happened.append(Answered(stream, reply))

    def _reset(self, event: StreamReset, happened: list[Happening]) -> None:
        if event.stream_id not in self._replies:
            return
        reply = self._replies.pop(event.stream_id)
        early = self._unsent.pop(event.stream_id, None) is not None
        if reply is not None and event.error_code == ErrorCodes.NO_ERROR and early:
            happened.append(Answered(event.stream_id, reply))
            return
        untouched = event.error_code == ErrorCodes.REFUSED_STREAM  # RFC 9113 §8.7
        happened.append(Lost(event.stream_id, untouched, f"reset: {_named(event.error_code)}"))

    def _left(self, goaway: GoAway, happened: list[Happening]) -> None:
        """RFC 9113 §6.8: streams above the last id were not touched; a second GOAWAY may name a lower one."""
        why = f"GOAWAY: {goaway.reason or _named(goaway.code)}"
        for stream in [one for one in self._replies if one > goaway.last_stream]:
            del self._replies[stream]
            self._unsent.pop(stream, None)
            happened.append(Lost(stream, untouched=True, why=why))
        if not self.leaving:
            self.leaving = True
            happened.append(Leaving(why))

    def _send_bodies(self) -> None:
        for stream in list(self._unsent):
            self._send_body(stream)

    def _send_body(self, stream: int) -> None:
        """As much as the windows of the stream and of the connection let through (RFC 9113 §5.2)."""
        body = self._unsent[stream]
        while body:
            room = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)
            if room <= 0:
                self._unsent[stream] = body
                return
            self._h2.send_data(stream, body[:room], end_stream=room >= len(body))
            body = body[room:]
        del self._unsent[stream]


def _reply_of(headers: Sequence[Header]) -> Reply:
    found = {bytes(name): bytes(value) for name, value in headers}
    try:
        return Reply(int(found[b":status"]), found)
    except (KeyError, ValueError):
        raise RemoteProtocolError("an answer without a status") from None


def _named(code: ErrorCodes | int | None) -> str:
    try:
        return ErrorCodes(code if code is not None else 0).name
    except ValueError:
        return f"error {code}"
