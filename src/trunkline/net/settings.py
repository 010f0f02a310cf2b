"""The bounds and deadlines of the SIP sockets, and what they count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

STREAMS: Final = ("TCP", "TLS", "WS", "WSS")
"""The connection-oriented transports, as they stand in a Via (RFC 3261 §20.42, RFC 7118 §5.2)."""


@dataclass(frozen=True, slots=True)
class NetSettings:
    """Sizes in bytes, times in seconds; every default suits one machine with some ten thousand phones."""

    receive_buffer: int = 4 << 20
    """Kernel buffer of each UDP socket: a burst of registrations must not be lost while Python is busy."""
    send_buffer: int = 1 << 20
    datagrams_per_wakeup: int = 64
    """How many datagrams one socket may deliver before others get their turn."""
    send_queue: int = 256
    """Datagrams kept per UDP socket while the kernel takes no more."""
    max_message: int = 65536
    """One message on a stream, its headers included."""
    write_buffer: int = 1 << 20
    """What a TCP peer may leave unread before its connection is closed."""
    connect_timeout_s: float = 5.0
    first_message_timeout_s: float = 15.0
    """A connection that sent no SIP message for so long after it was accepted is closed."""
    idle_timeout_s: float = 7200.0
    """A connection on which nothing complete came in for so long is closed; longer than usual expiries."""
    handshake_timeout_s: float = 10.0
    """How long a peer may take for its TLS handshake."""
    websocket_ping_s: float = 25.0
    """How often a WebSocket client is pinged: proxies and NATs on its way forget silent connections."""
    unacknowledged_timeout_s: float = 32.0
    """How long the kernel retransmits to a TCP peer that vanished: as long as a transaction (64*T1)."""
    max_connections: int = 20_000
    max_connections_per_source: int = 2_000
    """Connections that stand from one IPv4 address or IPv6 /64; an office behind one NAT needs many. A source
    that the fence trusts has no bound of its own."""
    max_arrivals_per_source: int = 2_000
    """Connections from one source within ten seconds, however short they are: each costs a handshake."""
    stranger_timeout_s: float = 60.0
    """Of a phones' listener, while half of ``max_connections`` are open: how long a connection stays on which
    nobody has had a right password."""
    sweep_s: float = 5.0
    """How often idle connections are looked for."""
    close_timeout_s: float = 2.0
    """How long the last bytes of closing connections may take to leave."""


class StreamCounters:
    """What is counted for one connection-oriented transport; ``connections`` is how many are open now."""

    __slots__ = ("connections", "handshakes_failed", "messages_in", "messages_out")

    def __init__(self) -> None:
        self.connections = 0
        self.handshakes_failed = 0  # of TLS or of WebSocket
        self.messages_in = 0
        self.messages_out = 0


class Counters:
    """Plain numbers since the start; ``streams`` has those of each connection-oriented transport."""

    __slots__ = (
        "accepted",
        "bytes_in",
        "bytes_out",
        "callback_errors",
        "connected",
        "datagrams_in",
        "datagrams_out",
        "framing_errors",
        "keepalives",
        "reaped",
        "refused",
        "send_errors",
        "streams",
        "unreachable",
    )

    def __init__(self) -> None:
        self.datagrams_in = 0
        self.datagrams_out = 0
        self.streams = {transport: StreamCounters() for transport in STREAMS}
        self.bytes_in = 0
        self.bytes_out = 0
        self.accepted = 0
        self.connected = 0
        self.refused = 0  # connections over a bound
        self.reaped = 0  # connections closed because they were silent
        self.framing_errors = 0
        self.keepalives = 0
        self.send_errors = 0
        self.unreachable = 0  # ICMP errors
        self.callback_errors = 0  # exceptions that came up from the layer above

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return sum(stream.connections for stream in self.streams.values())
