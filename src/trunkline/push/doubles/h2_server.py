"""The server's side of one HTTP/2 connection, which can also misbehave on demand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Protocol, cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import H2Error
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame


@dataclass(slots=True)
class Stream:
    """A request that comes in."""

    id: int
    headers: list[tuple[str, str]]
    body: bytes = b""


class Handler(Protocol):
    """Who answers."""

    def opened(self, connection: ServerConnection) -> None:
        """TLS is up."""
        ...

    def asked(self, connection: ServerConnection, stream: Stream) -> None:
        """A whole request has come."""
        ...

    def ended(self, connection: ServerConnection) -> None:
        """It is closed."""
        ...


@dataclass(slots=True, eq=False)
class ServerConnection(asyncio.Protocol):
    """``streams`` requests at once are allowed; ``allow`` changes that."""

    handler: Handler
    streams: int
    number: int = 0
    certificate: str = ""
    """The common name of the client's certificate, "" without one."""
    most_at_once: int = 0
    """How many requests were open together at most."""
    pings: int = 0
    deaf: bool = False
    """Whether it reads without doing anything."""
    _h2: H2Connection = field(init=False)
    _open: dict[int, Stream] = field(default_factory=dict)
    _last: int = 2**31 - 1
    _transport: asyncio.Transport | None = None

    def __post_init__(self) -> None:
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))

    @property
    def open(self) -> int:
        """Requests that are not answered yet."""
        return len(self._open)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses of asyncio's
        self.certificate = _common_name(transport.get_extra_info("peercert"))
        self._h2.local_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = self.streams
        self._h2.local_settings.acknowledge()
        self._h2.initiate_connection()
        self.handler.opened(self)
        self._flush()

    def data_received(self, data: bytes) -> None:
        if self.deaf:
            return
        try:
            for event in self._h2.receive_data(data):
                self._take(event)
        except H2Error:
            self.drop()
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        self._open.clear()
        self._transport = None
        self.handler.ended(self)

    def allow(self, streams: int) -> None:
        """So many requests at once from now on."""
        self.streams = streams
        self._h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: streams})
        self._flush()

    def answer(self, stream: Stream, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Nothing when the client has given it up."""
        if self._open.pop(stream.id, None) is None or self._transport is None:
            return
        self._h2.send_headers(stream.id, [(":status", str(status)), *headers], end_stream=not body)
        if body:
            self._h2.send_data(stream.id, body, end_stream=True)
        self._flush()
        self._end_if_done()

    def reset(self, stream: Stream) -> None:
        """Refuse one request: nothing was done with it."""
        if self._open.pop(stream.id, None) is not None:
            self._h2.reset_stream(stream.id, ErrorCodes.REFUSED_STREAM)
            self._flush()

    def go_away(self, last: int | None = None) -> None:
        """Requests after ``last`` (none: those to come) are not touched; the others are answered first."""
        self._last = self._h2.highest_inbound_stream_id if last is None else max(0, last)
        for stream in [one for one in self._open if one > self._last]:
            del self._open[stream]
        if self._transport is not None:
            self._flush()
            self._transport.write(GoAwayFrame(0, last_stream_id=self._last, error_code=0).serialize())
        self._end_if_done()

    def drop(self) -> None:
        """Break it without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _take(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            if event.stream_id <= self._last:
                headers = [(str(name), str(value)) for name, value in event.headers]
                self._open[event.stream_id] = Stream(event.stream_id, headers)
                self.most_at_once = max(self.most_at_once, len(self._open))
        elif isinstance(event, DataReceived):
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if (stream := self._open.get(event.stream_id)) is not None and len(stream.body) < 65_536:
                stream.body += event.data
        elif isinstance(event, StreamEnded):
            if (stream := self._open.get(event.stream_id)) is not None:
                self.handler.asked(self, stream)
        elif isinstance(event, StreamReset):
            self._open.pop(event.stream_id, None)
        elif type(event).__name__ == "PingReceived":
            self.pings += 1

    def _end_if_done(self) -> None:
        if self._last != 2**31 - 1 and not self._open and self._transport is not None:
            self._transport.close()

    def _flush(self) -> None:
        if self._transport is not None and (data := self._h2.data_to_send()):
            self._transport.write(data)


def _common_name(certificate: object) -> str:
    if not isinstance(certificate, dict):
        return ""
    for names in certificate.get("subject", ()):
        for name, value in names:
            if name == "commonName":
                return str(value)
    return ""
