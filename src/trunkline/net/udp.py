"""SIP over UDP: one socket per listener, read in bursts, written at once.

The socket sits in an epoll set of its own, and the event loop watches that set. A wake-up so serves up to
``datagrams_per_wakeup`` datagrams; and an ICMP error, which libuv would answer by dropping the socket from
its loop for good (EPOLLERR becomes UV_EBADF), is only one more reason to wake up.
"""

from __future__ import annotations

import asyncio
import select
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from trunkline.base.errors import TransportError
from trunkline.net.faults import FaultLog
from trunkline.net.fence import Fence
from trunkline.net.flow import Failure, Flow
from trunkline.net.icmp import ask_for_errors, take_errors
from trunkline.net.listener import Listener, host_port
from trunkline.net.routes import remote_of, socket_address
from trunkline.net.settings import Counters, NetSettings
from trunkline.net.tap import OnMessage, Tap, tapped, tapped_sendto
from trunkline.net.triage import Backlog, Triage
from trunkline.proto import stun

Remote: TypeAlias = tuple[str, int]

_MAX_DATAGRAM: Final = 65535
# The shortest SIP message ("A a:b SIP/2.0") is longer; what is shorter keeps a NAT open: CRLF, NUL, "jaK".
_SHORTEST: Final = 13
_REMEMBERED_SENDS: Final = 256
_LETTERS: Final = 4  # STUN begins with a byte below (RFC 5389 §6), SIP with a letter
_BURSTS_AT_ONCE: Final = 8  # while there are more datagrams than can be served,
_NEW_AT_ONCE: Final = 8  # and so few of those that are new, before what they have begun gets its turn;
_MOST_NEW: Final = 256  # so many wait for theirs,
_WEIGHT_OF_NEW: Final = 3  # and count for more, because of what follows them: CANCEL, ACK, responses
_SO_MEMINFO: Final = (
    55  # linux/sock_diag.h: first the bytes in the receive queue, ninth the datagrams dropped
)
_MEMINFO: Final = struct.Struct("=9I")
_BYTES_EACH: Final = 1280  # what the kernel counts for a SIP datagram of usual length


class UdpFlow:
    """The way to one peer from one UDP socket; made per datagram, compared by value."""

    __slots__ = ("_endpoint", "listener", "remote")

    transport: Final = "UDP"
    reliable: Final = False

    def __init__(self, endpoint: UdpEndpoint, listener: Listener, remote: Remote) -> None:
        self._endpoint = endpoint
        self.listener = listener
        self.remote = remote

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UdpFlow) and other.remote == self.remote and other.listener is self.listener

    def __hash__(self) -> int:
        return hash(self.remote)

    def __repr__(self) -> str:
        return f"UdpFlow({self.token})"

    @property
    def closed(self) -> bool:
        return self._endpoint.closed

    @property
    def token(self) -> str:
        return f"{self.listener.token_head}{host_port(*self.remote)}"

    def send(self, data: bytes, on_failure: Failure | None = None) -> None:
        # The whole way to the kernel stands here, without a call between: it is walked for every datagram.
        endpoint = self._endpoint
        if endpoint.held_up:
            endpoint.send_later(data, self.remote, on_failure)
            return
        try:
            endpoint.sendto(data, self.remote)
        except OSError:
            endpoint.send_carefully(data, self.remote, on_failure)
            return
        counters = endpoint.counters
        counters.datagrams_out += 1
        counters.bytes_out += len(data)
        if on_failure is not None:
            endpoint.recent.append((self.remote, on_failure))

    def on_close(self, callback: Callable[[Flow], None]) -> None:
        """Nothing to do: a UDP flow has no end of its own."""

    def off_close(self, callback: Callable[[Flow], None]) -> None:
        """Nothing to do."""


class UdpEndpoint:
    """The socket of one UDP listener."""

    __slots__ = (
        "_epoll",
        "_faults",
        "_fence",
        "_later",
        "_loop",
        "_on_message",
        "_queue",
        "_settings",
        "_socket",
        "_triage",
        "closed",
        "counters",
        "handed_up",
        "held_up",
        "listener",
        "recent",
        "sendto",
        "triage",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        bound: socket.socket,
        listener: Listener,
        on_message: OnMessage,
        settings: NetSettings,
        counters: Counters,
        faults: FaultLog,
        fence: Fence,
    ) -> None:
        self.listener = listener
        self.closed = False
        self.triage = False  # whether what is new waits for what stands
        self.held_up = False  # what is sent now has to wait, or fails because the socket is closed
        self._loop = loop
        self._socket = bound
        self.sendto: Callable[[bytes, Any], int] = bound.sendto
        self.handed_up = on_message
        self._on_message = on_message
        self._settings = settings
        self.counters = counters
        self._faults = faults
        self._fence = fence
        self._queue: deque[tuple[bytes, Remote, Failure | None]] = deque()
        self._triage = Triage(self._serve, _MOST_NEW)
        self._later: asyncio.Handle | None = None  # the next look at what waits in ``_triage``
        # Whom to tell when an ICMP error names a remote: only the last sends, only until the next sweep.
        self.recent: deque[tuple[Remote, Failure]] = deque(maxlen=_REMEMBERED_SENDS)
        set_buffers(bound, settings)
        ask_for_errors(bound)
        self._epoll = select.epoll()
        self._epoll.register(bound.fileno(), select.EPOLLIN)
        loop.add_reader(self._epoll.fileno(), self._read)

    def flow(self, remote: Remote) -> UdpFlow:
        return UdpFlow(self, self.listener, remote)

    def tap(self, tap: Tap | None) -> None:
        """Show every datagram from now on, or no more; while nobody looks, nothing is asked per datagram."""
        self._on_message = self.handed_up if tap is None else tapped(self.handed_up, tap)
        self.sendto = self._socket.sendto if tap is None else tapped_sendto(self._socket, self.listener, tap)

    def sweep(self) -> None:
        """Forget for whom the last datagrams were sent: an ICMP error comes within a round trip."""
        self.recent.clear()

    def close(self) -> None:
        """Give the socket back; what could not be sent yet is reported as failed."""
        if self.closed:
            return
        self._drain_queue()
        self.closed = self.held_up = True
        self._loop.remove_reader(self._epoll.fileno())
        if self._later is not None:
            self._later.cancel()
        self._triage.clear()
        self._epoll.close()
        self._socket.close()
        self.recent.clear()
        while self._queue:
            _, remote, on_failure = self._queue.popleft()
            self._fail(on_failure, remote, "the socket was closed")

    def _read(self) -> None:
        if self._queue:
            self._drain_queue()
        if self.triage or self._later is not None:
            self._read_in_order()
            return
        recvfrom = self._socket.recvfrom
        listener, on_message, shut = self.listener, self._on_message, self._fence.shut
        most, counters = self._settings.datagrams_per_wakeup, self.counters
        count = size = 0
        try:
            while count < most and not self.closed:
                data, remote = recvfrom(_MAX_DATAGRAM)
                count += 1
                length = len(data)
                size += length
                if length < _SHORTEST:
                    counters.keepalives += 1
                    continue
                if len(remote) == 4:
                    remote = remote_of(remote)
                if shut and self._fence.bars(remote, self._loop.time()):
                    continue
                if data[0] < _LETTERS and stun.is_stun(data):
                    self._answer_stun(data, remote)
                    continue
                try:
                    on_message(data, UdpFlow(self, listener, remote))
                except Exception as error:  # noqa: BLE001  (one datagram must not stop the listener)
                    self._faults.caught(error, remote)
        except BlockingIOError:
            if not count:
                # Woken for nothing: by an error that a send has met already, whose record still stands.
                self._take_errors()
        except OSError:
            self._take_errors()
        finally:
            counters.datagrams_in += count
            counters.bytes_in += size

    def _read_in_order(self) -> None:
        """As ``_read``, but more at a time, and what belongs to something that stands before what is new."""
        recvfrom, most = self._socket.recvfrom, self._settings.datagrams_per_wakeup * _BURSTS_AT_ONCE
        triage, count = self._triage, 0
        try:
            while count < most and not (self.closed or triage.full):
                triage.take(recvfrom(_MAX_DATAGRAM))
                count += 1
        except BlockingIOError:
            if not count and self._later is None:
                self._take_errors()
        except OSError:
            self._take_errors()
        self._serve_new()

    def _serve_new(self) -> None:
        """Some of what is new, and the rest when what has begun by it has had its turn."""
        triage = self._triage
        if self._later is not None:
            self._later.cancel()
            self._later = None
        triage.serve_new(_NEW_AT_ONCE)
        if triage.waiting:
            self._later = self._loop.call_soon(self._read)

    def _serve(self, data: bytes, remote: Any) -> None:
        if self.closed:
            return
        self.counters.datagrams_in += 1
        self.counters.bytes_in += len(data)
        if len(data) < _SHORTEST:
            self.counters.keepalives += 1
            return
        if len(remote) == 4:
            remote = remote_of(remote)
        if self._fence.shut and self._fence.bars(remote, self._loop.time()):
            return
        if data[0] < _LETTERS and stun.is_stun(data):
            self._answer_stun(data, remote)
            return
        try:
            self._on_message(data, UdpFlow(self, self.listener, remote))
        except Exception as error:  # noqa: BLE001  (one datagram must not stop the listener)
            self._faults.caught(error, remote)

    @property
    def backlog(self) -> Backlog:
        """What waits in the receive buffer, and as new behind others; nothing once it is closed."""
        if self.closed:
            return Backlog(0, 0)
        info = _MEMINFO.unpack_from(self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))
        waiting = info[0] // _BYTES_EACH + len(self._triage.waiting) * _WEIGHT_OF_NEW
        return Backlog(waiting, info[8])

    def _answer_stun(self, data: bytes, remote: Remote) -> None:
        """A phone keeps its NAT's binding, and learns when it changed (RFC 5626 §3.5.2)."""
        self.counters.keepalives += 1
        response = stun.answer(data, *remote)
        if response is not None:
            self.flow(remote).send(response)

    def send_carefully(self, data: bytes, remote: Remote, on_failure: Failure | None) -> None:
        """Send after a refusal: by a full buffer, for good reason, or for an earlier datagram's ICMP error.

        The kernel reports such an error to whatever call comes next, once, whoever it was about (ip(7),
        IP_RECVERR): the second attempt is not met by it, and the next wake-up reads whom it concerns.
        """
        if not self._attempt(data, remote, on_failure):
            self.send_later(data, remote, on_failure)

    def send_later(self, data: bytes, remote: Remote, on_failure: Failure | None) -> None:
        """Keep a datagram until the kernel takes more; it fails when too many are kept."""
        if self.closed:
            self._fail(on_failure, remote, "the socket is closed")
        elif len(self._queue) >= self._settings.send_queue:
            self._fail(on_failure, remote, "the send queue is full")
        else:
            self._queue.append((data, remote, on_failure))
            self.held_up = True
            self._epoll.modify(self._socket.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def _drain_queue(self) -> None:
        while self._queue:
            entry = self._queue.popleft()
            if not self._attempt(*entry):
                self._queue.appendleft(entry)
                return
        self.held_up = False
        self._epoll.modify(self._socket.fileno(), select.EPOLLIN)

    def _attempt(self, data: bytes, remote: Remote, on_failure: Failure | None) -> bool:
        """Send one datagram or report why not; False when the kernel's buffer is full."""
        ipv6 = self.listener.family == socket.AF_INET6
        try:
            self.sendto(data, socket_address(*remote) if ipv6 else remote)
        except BlockingIOError:
            return False
        except OSError as error:
            self._fail(on_failure, remote, error.strerror or str(error))
            return True
        self.counters.datagrams_out += 1
        self.counters.bytes_out += len(data)
        if on_failure is not None:
            self.recent.append((remote, on_failure))
        return True

    def _take_errors(self) -> None:
        """Tell the last senders to a remote that is unreachable (RFC 3261 §18.4)."""
        for remote, reason in take_errors(self._socket):
            self.counters.unreachable += 1
            # A transaction that repeats its request stands here several times and is told once.
            told = dict.fromkeys(on_failure for peer, on_failure in self.recent if peer == remote)
            if told:
                kept = [entry for entry in self.recent if entry[0] != remote]
                self.recent.clear()
                self.recent.extend(kept)
                for on_failure in told:
                    self._loop.call_soon(on_failure, TransportError(f"{host_port(*remote)}: {reason}"))

    def _fail(self, on_failure: Failure | None, remote: Remote, reason: str) -> None:
        self.counters.send_errors += 1
        if on_failure is not None:
            self._loop.call_soon(on_failure, TransportError(f"{host_port(*remote)}: {reason}"))


def set_buffers(udp: socket.socket, settings: NetSettings) -> None:
    """Large kernel buffers: beyond the system's limit where we may, else as near to it as it allows."""
    for option, forced, size in (
        (socket.SO_RCVBUF, 33, settings.receive_buffer),  # SO_RCVBUFFORCE
        (socket.SO_SNDBUF, 32, settings.send_buffer),  # SO_SNDBUFFORCE
    ):
        try:
            udp.setsockopt(socket.SOL_SOCKET, forced, size)
        except OSError:
            udp.setsockopt(socket.SOL_SOCKET, option, size)
