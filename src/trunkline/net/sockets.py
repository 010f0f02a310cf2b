"""``Net``: all SIP sockets of the program behind one door."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence

from trunkline.base.errors import LocalProtocolError, TransportError
from trunkline.net.bind import bind
from trunkline.net.connections import Connections
from trunkline.net.faults import FaultLog
from trunkline.net.fence import Fence
from trunkline.net.flow import Flow
from trunkline.net.listener import Listener, split_host_port
from trunkline.net.routes import family_of, ip_literal, source_address
from trunkline.net.settings import STREAMS, Counters, NetSettings
from trunkline.net.tap import Tap
from trunkline.net.tls.contexts import Tls
from trunkline.net.tls.settings import TlsSettings
from trunkline.net.triage import Backlog
from trunkline.net.udp import UdpEndpoint

_ROUTES_KEPT_S = 60.0
_MAX_ROUTES = 4096
_STREAM_TOKENS = frozenset(transport.lower() for transport in STREAMS)


class Net:
    """Listens, connects, and hands up whole messages with the flow that they came by.

    ``on_message(data, flow)`` gets one datagram or one framed message, and may raise: the fault is logged
    and the socket goes on. ``on_flow_closed(flow)`` is called once for each connection that ended. Both
    are called from the loop, which must be the running one. Nothing is heard from whom ``fence`` bars.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_message: Callable[[bytes, Flow], None],
        on_flow_closed: Callable[[Flow], None] | None = None,
        settings: NetSettings | None = None,
        tls: TlsSettings | None = None,
        fence: Fence | None = None,
    ) -> None:
        self.settings = settings or NetSettings()
        self.counters = Counters()
        self.listeners: list[Listener] = []
        self._loop = loop
        self._on_message = on_message
        self.fence = fence or Fence()
        self._faults = FaultLog(self.counters, loop.time, self._offended)
        self.tls = Tls(tls or TlsSettings())
        self._reloading: asyncio.Future[None] | None = None
        self._connections = Connections(
            loop, on_message, on_flow_closed, self.settings, self.counters, self._faults, self.tls, self.fence
        )
        self._endpoints: dict[Listener, UdpEndpoint] = {}
        self._sources: dict[str, str | None] = {}
        self._tap: Tap | None = None
        self._routes_old_at = loop.time() + _ROUTES_KEPT_S
        self._sweeper: asyncio.TimerHandle | None = None
        self._triage = False

    async def start(self, listeners: Sequence[Listener]) -> None:
        """Bind and serve every listener; each then knows its real port.

        Raises ``ConfigError`` for the first that cannot be bound, or has no usable certificate; none is then
        open.
        """
        self.tls.prepare(list(listeners))
        try:
            for listener in listeners:
                await self._open(listener, bind(listener))
        except BaseException:
            await self.stop()
            raise
        self._sweeper = self._loop.call_later(self.settings.sweep_s, self._sweep)

    async def add(self, listeners: Sequence[Listener]) -> None:
        """Serve more of them beside those that are served; raises ConfigError, and then none of these is open."""
        before = list(self.listeners)
        opened: list[Listener] = []
        try:
            self.tls.prepare([*before, *listeners])
            for listener in listeners:
                await self._open(listener, bind(listener))
                opened.append(listener)
        except BaseException:
            for listener in opened:
                self._close(listener)
            self.tls.keep(before)
            raise

    def remove(self, listener: Listener) -> None:
        """Serve a listener no more: its socket and its connections are closed. Harmless when it is not served."""
        if listener in self.listeners:
            self._close(listener)
            self.tls.keep(self.listeners)

    async def stop(self) -> None:
        """Close every socket; returns when nothing of it is left in the loop. May be called twice."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for endpoint in self._endpoints.values():
            endpoint.close()
        self._endpoints.clear()
        self.listeners.clear()
        await self._connections.stop()
        if self._reloading is not None:
            await self._reloading
            self._reloading = None

    def hand_to(self, on_message: Callable[[bytes, Flow], None]) -> None:
        """From now on another takes the messages."""
        self._on_message = on_message
        self._connections.handed_up = on_message
        for endpoint in self._endpoints.values():
            endpoint.handed_up = on_message
        self.tap(self._tap)

    def tap(self, tap: Tap | None) -> None:
        """Show every message in and out to ``tap(data, listener, remote, incoming)``; None ends it."""
        self._tap = tap
        for endpoint in self._endpoints.values():
            endpoint.tap(tap)
        self._connections.tap(tap)

    def backlog(self) -> Backlog:
        """What waits in the receive buffers of all UDP sockets."""
        each = [endpoint.backlog for endpoint in self._endpoints.values()]
        return Backlog(sum(one.waiting for one in each), sum(one.dropped for one in each))

    @property
    def triage(self) -> bool:
        """Whether datagrams that ask for something new wait for those of what stands: while there are too many."""
        return self._triage

    @triage.setter
    def triage(self, wanted: bool) -> None:
        self._triage = wanted
        for endpoint in self._endpoints.values():
            endpoint.triage = wanted

    def flow_to(
        self,
        transport: str,
        host: str,
        port: int,
        prefer: Listener | None = None,
        server_name: str = "",
    ) -> Flow:
        """The flow to an address: an open connection to it, else a new one that connects by itself.

        ``transport`` is as in a Via, ``host`` an IP literal, ``port`` 1..65535. ``prefer`` is used when
        it has that transport and address family; else a listener of its role, from whose address the
        kernel would send. For TLS ``server_name`` is the SIP domain that the peer's certificate must be for
        (RFC 5922 §7.2); without one it must be for the address, unless the peer connected to us. Raises
        TransportError when there is no such listener, no room for another connection or no connection of
        a WebSocket client; LocalProtocolError when ``host`` is a name.
        """
        literal = ip_literal(host)
        if literal is None or not 0 < port < 65536:
            raise LocalProtocolError(f"a flow needs an IP address and a port, got {host!r} and {port}")
        listener = self.listener_for(transport, literal, prefer)
        if transport == "UDP":
            return self._endpoints[listener].flow((literal, port))
        name = server_name.lower() if transport == "TLS" and ip_literal(server_name) != literal else ""
        found = self._connections.find(listener, literal, port, name)
        return found or self._connections.connect(listener, literal, port, name)

    def listener_for(self, transport: str, host: str, prefer: Listener | None = None) -> Listener:
        """The listener from which an IP literal is best reached; raises TransportError when there is none."""
        family = family_of(host)
        able = [entry for entry in self.listeners if entry.transport == transport and entry.family == family]
        if prefer in able:
            return prefer
        if not able:
            version = 6 if family == socket.AF_INET6 else 4
            raise TransportError(f"no {transport} listener with an IPv{version} address for {host}")
        alike = [entry for entry in able if prefer is not None and entry.role == prefer.role]
        return self._nearest(alike or able, host)

    def flow_from_token(self, token: str) -> Flow | None:
        """The flow of a stored token: for UDP as long as its listener is there, else the connection."""
        node, _, rest = token.partition("|")
        kind, _, rest = rest.partition("|")
        local, _, rest = rest.partition("|")
        remote, _, serial = rest.partition("|")
        if kind in _STREAM_TOKENS:
            flow = self._connections.by_serial(serial)
            return flow if flow is not None and flow.token == token else None
        if kind != "udp" or serial:
            return None
        try:
            host, port = split_host_port(remote)
        except ValueError:
            return None
        if not port or ip_literal(host) is None:
            return None
        for listener, endpoint in self._endpoints.items():
            if listener.token_head == f"{node}|udp|{local}|" and listener.family == family_of(host):
                return endpoint.flow((host, port))
        return None

    async def _open(self, listener: Listener, bound: socket.socket) -> None:
        if listener.transport == "UDP":
            self._endpoints[listener] = UdpEndpoint(
                self._loop,
                bound,
                listener,
                self._on_message,
                self.settings,
                self.counters,
                self._faults,
                self.fence,
            )
            self._endpoints[listener].tap(self._tap)
            self._endpoints[listener].triage = self._triage
        else:
            await self._connections.listen(bound, listener)
        self.listeners.append(listener)

    def _close(self, listener: Listener) -> None:
        self.listeners.remove(listener)
        self._sources.clear()
        endpoint = self._endpoints.pop(listener, None)
        if endpoint is not None:
            endpoint.close()
        else:
            self._connections.close(listener)

    def _nearest(self, able: list[Listener], host: str) -> Listener:
        if len(able) == 1:
            return able[0]
        if host not in self._sources:
            if len(self._sources) >= _MAX_ROUTES:
                self._sources.clear()
            self._sources[host] = source_address(host)
        source = self._sources[host]
        exact = (entry for entry in able if entry.host == source)
        anywhere = (entry for entry in able if entry.wildcard)
        return next(exact, None) or next(anywhere, None) or able[0]

    def _offended(self, peer: tuple[str, int]) -> None:
        """What came on a connection is no SIP."""
        self.fence.malformed(peer, self._loop.time(), reliable=True)

    def shut(self, source: str) -> None:
        """Close the connections that came from a source which is banned now, but those that have proven themselves."""
        self._connections.shut(source)

    def _sweep(self) -> None:
        self._sweeper = self._loop.call_later(self.settings.sweep_s, self._sweep)
        now = self._loop.time()
        for endpoint in self._endpoints.values():
            endpoint.sweep()
        self._connections.sweep(now)
        self.fence.sweep(now)
        if self.tls.in_use and (self._reloading is None or self._reloading.done()):
            # Files may be on a slow disk: never wait for one here.
            self._reloading = self._loop.run_in_executor(None, self.tls.reload)
        if now >= self._routes_old_at:
            self._routes_old_at = now + _ROUTES_KEPT_S
            self._sources.clear()
            for listener in self.listeners:
                listener.forget_routes()
