"""SIP over one connection, accepted or made: in clear, or within TLS (``TlsChannel`` is then its transport)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, cast

from trunkline.base.errors import RemoteProtocolError, TransportError
from trunkline.net.faults import FaultLog
from trunkline.net.flow import Failure, Flow
from trunkline.net.listener import Listener, host_port
from trunkline.net.routes import remote_of
from trunkline.net.settings import Counters, NetSettings
from trunkline.net.tap import Tap
from trunkline.proto.sip.stream import PONG_BYTES, Event, Ping, StreamFramer

_REMEMBERED_SENDS: Final = 1024


class Owner(Protocol):
    """What a connection needs of the table that it stands in."""

    loop: asyncio.AbstractEventLoop
    settings: NetSettings
    counters: Counters
    faults: FaultLog
    on_message: Callable[[bytes, Flow], None]
    on_sent: Tap | None

    def opened(self, flow: TcpFlow) -> bool:
        """Enter a connection; False when it is one too many."""

    def closed(self, flow: TcpFlow) -> None:
        """Use a connection no more."""

    def gone(self, flow: TcpFlow) -> None:
        """The connection's socket is closed."""

    def offered(self, flow: TcpFlow, message: bytes) -> None:
        """A peer with a certificate may offer its connection for our requests (RFC 5923)."""


class Framer(Protocol):
    """Makes messages and pings of a connection's bytes: ``StreamFramer``, or a WebSocket."""

    error: RemoteProtocolError | None

    def feed(self, data: bytes) -> list[Event]:
        """What ``data`` completed; raises RemoteProtocolError, or keeps it in ``error`` (see StreamFramer)."""


class TcpFlow(asyncio.Protocol):
    """One connection. ``serial`` tells it from any other between the same addresses, before or after."""

    __slots__ = (
        "_flushing",
        "_framer",
        "_on_close",
        "_out",
        "_out_bytes",
        "_owner",
        "_tally",
        "_transport",
        "_unanswered",
        "accepted",
        "certificate",
        "closed",
        "connecting",
        "last_heard",
        "listener",
        "opened_at",
        "peer_name",
        "remote",
        "serial",
        "spoke_sip",
        "transport",
        "unheard",
    )

    reliable: Final = True

    def __init__(
        self, owner: Owner, listener: Listener, serial: str, remote: tuple[str, int] | None = None
    ) -> None:
        self._owner = owner
        self._tally = owner.counters.streams[listener.transport]
        self.listener = listener
        self.transport = listener.transport
        self.serial = serial
        self.accepted = remote is None
        self.remote = remote or ("", 0)
        self.certificate: Mapping[str, Any] | None = None  # what a client has shown, verified
        self.peer_name = ""  # what the peer of a TLS connection that we made has proved
        self.connecting: asyncio.Task[None] | None = None
        self.closed = False
        self.last_heard = self.opened_at = owner.loop.time()
        self.spoke_sip = False
        self.unheard = False
        self._transport: asyncio.Transport | None = None
        self._framer: Framer = self._make_framer()
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._flushing = False
        # Whom to tell when the connection breaks: what was sent since the peer was heard last.
        # None while nobody waits: an idle flow is to cost little, and an empty deque takes 600 bytes.
        self._unanswered: deque[Failure] | None = None
        self._on_close: dict[Callable[[Flow], None], None] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.token})"

    def _make_framer(self) -> Framer:
        return StreamFramer(self._owner.settings.max_message)

    @property
    def token(self) -> str:
        return f"{self.listener.token_head}{host_port(*self.remote)}|{self.serial}"

    def send(self, data: bytes, on_failure: Failure | None = None) -> None:
        """Send with whatever else is sent in this turn of the loop; kept while the connection is made."""
        if self.closed:
            self._tell(on_failure, self._error("the connection is closed"))
            return
        if on_failure is not None:
            if self._unanswered is None:
                self._unanswered = deque(maxlen=_REMEMBERED_SENDS)
            self._unanswered.append(on_failure)
        owner = self._owner
        self._tally.messages_out += 1
        if owner.on_sent is not None:
            owner.on_sent(data, self.listener, self.remote, False)
        self._write(data)

    def on_close(self, callback: Callable[[Flow], None]) -> None:
        if self.closed:
            self._owner.loop.call_soon(callback, self)
        elif self._on_close is None:
            self._on_close = {callback: None}
        else:
            self._on_close[callback] = None

    def off_close(self, callback: Callable[[Flow], None]) -> None:
        if self._on_close is not None:
            self._on_close.pop(callback, None)

    def close(self) -> None:
        """Close once everything sent has left; nothing more is read or sent."""
        if self._transport is None:
            self.abort("closed before it was connected")
        elif not self.closed:
            self._flush()
            self._transport.close()
            self._finish(self._error("closed"), sent_failed=False)

    def abort(self, reason: str) -> None:
        """Close at once; what has not left yet is reported as failed."""
        self.cut()
        self._finish(self._error(reason), sent_failed=True)

    def break_off(self, reason: str) -> None:
        """The transport closes by itself: what has not been answered is reported as failed."""
        self._finish(self._error(reason), sent_failed=True)

    def cut(self) -> None:
        """Close the socket, if there is one, without waiting for what has not left."""
        if self._transport is not None:
            self._transport.abort()

    def silent_too_long(self, now: float) -> bool:
        """True when nothing complete came in for as long as the settings allow."""
        settings = self._owner.settings
        fresh = self.accepted and not self.spoke_sip
        limit = settings.first_message_timeout_s if fresh else settings.idle_timeout_s
        return self._transport is not None and now - self.last_heard >= limit

    def keep_alive(self, now: float) -> None:
        """Called now and then; the kernel keeps a TCP connection alive (see ``_tune``)."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the connection stands."""
        # uvloop's transports are no subclasses of asyncio.Transport, but have its methods.
        opened = cast("asyncio.Transport", transport)
        if self.accepted:
            self.remote = remote_of(opened.get_extra_info("peername") or ("", 0))
        if self.closed or not self._owner.opened(self):
            self.closed = True
            opened.abort()
            return
        self._transport = opened
        self.last_heard = self.opened_at = self._owner.loop.time()
        _tune(opened, self._owner.settings)
        if self._out:
            self._flush()

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes came in."""
        self._owner.counters.bytes_in += len(data)
        if self.closed:
            return
        self.unheard = False
        if self._unanswered is not None and not self._unsent_bytes():
            self._unanswered = None
        try:
            events = self._framer.feed(data)
        except RemoteProtocolError as error:
            self._refuse(error)
            return
        for event in events:
            if not self._handle(event):
                return
        if events and (self.spoke_sip or not self.accepted):
            # Pings alone do not hold a place for who has never spoken SIP.
            self.last_heard = self._owner.loop.time()
        if self._framer.error is not None:
            self._refuse(self._framer.error)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the connection is gone; ``exc`` is None when the peer or we closed it in order."""
        reason = (getattr(exc, "strerror", None) or str(exc)) if exc else "the peer closed the connection"
        # An orderly end after the last byte has left loses nothing; a reset may have lost what was sent last.
        self._finish(self._error(reason), sent_failed=exc is not None or self._unsent_bytes() > 0)
        self._owner.gone(self)

    def _handle(self, event: bytes | Ping) -> bool:
        """Answer a ping or hand up a message; False when the flow was closed meanwhile."""
        owner = self._owner
        if isinstance(event, Ping):
            owner.counters.keepalives += 1
            self._write(PONG_BYTES)
            return not self.closed
        self._tally.messages_in += 1
        if not self.spoke_sip:
            self.spoke_sip = b"SIP/2.0" in event[: event.find(b"\r\n")]
        if self.certificate is not None:
            owner.offered(self, event)
        try:
            owner.on_message(event, self)
        except Exception as error:  # noqa: BLE001  (one message must not end the connection)
            owner.faults.caught(error, self.remote)
        return not self.closed

    def _refuse(self, error: RemoteProtocolError) -> None:
        self._owner.counters.framing_errors += 1
        self._owner.faults.note("net.framing_error", error.reason, self.remote)
        self.abort(error.reason)

    def _write(self, data: bytes) -> None:
        self._out.append(data)
        self._out_bytes += len(data)
        if self._out_bytes > self._owner.settings.write_buffer:
            self._too_slow()
        elif not self._flushing and self._transport is not None:
            self._flushing = True
            self._owner.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        transport = self._transport
        if transport is None or not self._out:
            return
        self._owner.counters.bytes_out += self._out_bytes
        transport.write(self._out[0] if len(self._out) == 1 else b"".join(self._out))
        self._out.clear()
        self._out_bytes = 0
        if transport.get_write_buffer_size() > self._owner.settings.write_buffer:
            self._too_slow()

    def _too_slow(self) -> None:
        self._owner.faults.note("net.slow_reader", "the peer does not read", self.remote)
        self.abort(f"the peer left more than {self._owner.settings.write_buffer} bytes unread")

    def _unsent_bytes(self) -> int:
        unsent = self._transport.get_write_buffer_size() if self._transport is not None else 0
        return self._out_bytes + unsent

    def _finish(self, error: TransportError, *, sent_failed: bool) -> None:
        if self.closed:
            return
        self.closed = True
        if self.connecting is not None and self._transport is None:
            # Not once the connection stands: uvloop would then close it without telling.
            self.connecting.cancel()
        unanswered, self._unanswered = self._unanswered, None
        if sent_failed and unanswered is not None:
            for on_failure in dict.fromkeys(unanswered):
                self._tell(on_failure, error)
        self._out.clear()
        self._out_bytes = 0
        self._owner.closed(self)
        for callback in self._on_close or ():
            self._owner.loop.call_soon(callback, self)
        self._on_close = None

    def _error(self, reason: str) -> TransportError:
        return TransportError(f"{host_port(*self.remote)}: {reason}")

    def _tell(self, on_failure: Failure | None, error: TransportError) -> None:
        self._owner.counters.send_errors += 1
        if on_failure is not None:
            self._owner.loop.call_soon(on_failure, error)


def _tune(transport: asyncio.Transport, settings: NetSettings) -> None:
    """Send small messages at once, and find out about peers that vanished without a word."""
    raw = transport.get_extra_info("socket")
    unacknowledged_ms = int(settings.unacknowledged_timeout_s * 1000)
    with contextlib.suppress(OSError):  # the peer may have gone already
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, unacknowledged_ms)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 120)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
