"""The table of connections of all transports but UDP: found by remote or serial, bounded, swept."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import TypeAlias

from trunkline.base.errors import TransportError
from trunkline.net.aliases import Aliases, offers
from trunkline.net.faults import FaultLog
from trunkline.net.fence import Fence
from trunkline.net.fence.source import source_of
from trunkline.net.flow import Flow
from trunkline.net.listener import Listener, host_port
from trunkline.net.settings import Counters, NetSettings
from trunkline.net.tap import Tap, tapped
from trunkline.net.tcp import TcpFlow
from trunkline.net.tls.channel import TlsChannel
from trunkline.net.tls.contexts import Tls
from trunkline.net.websocket.flow import WebSocketFlow

# The name is the one that a TLS peer has proved to us (RFC 5923 §9.1); "" for whoever connected to us.
Key: TypeAlias = tuple[Listener, str, int, str]

_BACKLOG = 1024
_LATELY_S = 10.0
_MOST_SOURCES = 65_536
_SWEPT_AT_ONCE = 2_000  # some three milliseconds
_SWEEP_PAUSE_S = 0.02


class Connections:
    """All flows of one ``Net`` that are connections."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_message: Callable[[bytes, Flow], None],
        on_flow_closed: Callable[[Flow], None] | None,
        settings: NetSettings,
        counters: Counters,
        faults: FaultLog,
        tls: Tls,
        fence: Fence,
    ) -> None:
        self.loop = loop
        self.on_message = on_message
        self.on_sent: Tap | None = None
        self.settings = settings
        self.counters = counters
        self.faults = faults
        self._tls = tls
        self._fence = fence
        self.handed_up = on_message
        self._on_flow_closed = on_flow_closed
        self._servers: dict[Listener, asyncio.Server] = {}
        self._by_remote: dict[Key, TcpFlow] = {}
        self._by_serial: dict[str, TcpFlow] = {}
        self._aliases = Aliases()
        self._per_source: dict[str, int] = {}
        self._lately: dict[str, int] = {}  # accepted since ``_lately_since``: a handshake costs a millisecond
        self._lately_since = loop.time()
        self._sockets: set[TcpFlow] = set()
        self._all_gone: asyncio.Event | None = None
        # A serial of another run must not fit a connection of this one.
        self._run = os.urandom(4).hex()
        self._count = 0
        self._swept: asyncio.TimerHandle | None = None  # while a sweep has more to look at

    async def listen(self, bound: socket.socket, listener: Listener) -> None:
        """Accept connections on a bound socket."""

        kind = WebSocketFlow if listener.is_websocket else TcpFlow

        def accepted() -> TcpFlow:
            return kind(self, listener, self._next_serial())

        def secured() -> TlsChannel:
            return TlsChannel(self, accepted(), self._tls.server_context(listener))

        factory = secured if listener.is_secure else accepted
        self._servers[listener] = await self.loop.create_server(factory, sock=bound, backlog=_BACKLOG)

    def close(self, listener: Listener) -> None:
        """Accept no more on a listener, and close its connections once what was sent has left."""
        server = self._servers.pop(listener, None)
        if server is not None:
            server.close()
        for flow in list(self._by_serial.values()):
            if flow.listener is listener:
                flow.close()

    def tap(self, tap: Tap | None) -> None:
        """Show every message from now on, or no more."""
        self.on_message = self.handed_up if tap is None else tapped(self.handed_up, tap)
        self.on_sent = tap

    def find(self, listener: Listener, host: str, port: int, name: str = "") -> TcpFlow | None:
        """The open (or opening) connection to a remote, whoever made it; with ``name``, one that proved it."""
        found = self._by_remote.get((listener, host, port, name))
        if found is None and self._aliases:
            return self._aliases.find(listener, host, port, name)
        return found

    def by_serial(self, serial: str) -> TcpFlow | None:
        return self._by_serial.get(serial)

    def connect(self, listener: Listener, host: str, port: int, name: str = "") -> TcpFlow:
        """A flow that connects now; what is sent meanwhile waits. ``name`` is what a TLS peer must prove.

        Raises TransportError when there are ``max_connections`` already, and for WebSocket clients, who
        connect to us (RFC 7118 §5).
        """
        if listener.is_websocket:
            raise TransportError(
                f"the {listener.transport} client at {host_port(host, port)} is not connected"
            )
        if len(self._by_serial) >= self.settings.max_connections:
            self.counters.refused += 1
            raise TransportError(f"there are {self.settings.max_connections} connections already")
        flow = TcpFlow(self, listener, self._next_serial(), (host, port))
        flow.peer_name = name
        protocol: asyncio.Protocol = flow
        if listener.is_secure:
            try:
                protocol = TlsChannel(self, flow, self._tls.client_context(), name or host)
            except ValueError as error:
                raise TransportError(f"{name or host!r} is no name that TLS can ask for: {error}") from None
        self._enter(flow)
        flow.connecting = self.loop.create_task(self._connect(flow, protocol))
        return flow

    def opened(self, flow: TcpFlow) -> bool:
        if flow.accepted and not self._admit(flow):
            return False
        self._sockets.add(flow)
        self.counters.streams[flow.transport].connections += 1
        return True

    def offered(self, flow: TcpFlow, message: bytes) -> None:
        if flow.accepted and offers(message):
            self._aliases.take(flow, message)

    def closed(self, flow: TcpFlow) -> None:
        if self._by_serial.pop(flow.serial, None) is None:
            return
        if flow.certificate is not None:
            self._aliases.forget(flow)
        key = (flow.listener, *flow.remote, flow.peer_name)
        if self._by_remote.get(key) is flow:
            del self._by_remote[key]
        if flow.accepted:
            self._leave_source(source_of(flow.remote[0]))
        if self._on_flow_closed is not None:
            self.loop.call_soon(self._on_flow_closed, flow)

    def gone(self, flow: TcpFlow) -> None:
        if flow in self._sockets:
            self._sockets.remove(flow)
            self.counters.streams[flow.transport].connections -= 1
        if self._all_gone is not None and not self._sockets:
            self._all_gone.set()

    def sweep(self, now: float) -> None:
        """Close the connections on which nothing came in for too long, keep the others alive.

        Once half of all places are taken, who has not proven himself in time makes room for others.
        """
        crowded = 2 * len(self._by_serial) >= self.settings.max_connections
        if self._swept is None:
            self._sweep_some(list(self._by_serial.values()), now, crowded=crowded)

    def _sweep_some(self, left: list[TcpFlow], now: float, *, crowded: bool) -> None:
        """Look at some of them and come back for the rest: nothing else is to wait for a hundred thousand."""
        self._swept = None
        some, left = left[:_SWEPT_AT_ONCE], left[_SWEPT_AT_ONCE:]
        for flow in some:
            if flow.closed:
                continue
            if flow.silent_too_long(now):
                self._reap(flow, "nothing was received for too long")
            elif crowded and self._is_stranger(flow, now):
                self._reap(flow, "nobody has proven himself, and others need the place")
            else:
                flow.keep_alive(now)
        if left:
            self._swept = self.loop.call_later(
                _SWEEP_PAUSE_S, lambda: self._sweep_some(left, now, crowded=crowded)
            )

    def _reap(self, flow: TcpFlow, reason: str) -> None:
        self.counters.reaped += 1
        flow.abort(reason)

    def _is_stranger(self, flow: TcpFlow, now: float) -> bool:
        """Whether nobody has had a right password there, though there was time; trunks have none to prove."""
        return (
            flow.accepted
            and flow.listener.role == "phones"
            and now - flow.opened_at >= self.settings.stranger_timeout_s
            and flow.remote not in self._fence.proofs
        )

    async def stop(self) -> None:
        """Close everything; what was sent has ``close_timeout_s`` to leave."""
        if self._swept is not None:
            self._swept.cancel()
            self._swept = None
        for server in self._servers.values():
            server.close()
        connecting = [flow.connecting for flow in self._by_serial.values() if flow.connecting is not None]
        for flow in list(self._by_serial.values()):
            flow.close()
        await asyncio.gather(*connecting, return_exceptions=True)
        if not await self._wait_until_gone():
            for flow in self._sockets:
                flow.cut()
            await self._wait_until_gone()
        await asyncio.gather(*(server.wait_closed() for server in self._servers.values()))
        self._servers.clear()

    async def _wait_until_gone(self) -> bool:
        self._all_gone = asyncio.Event()
        if self._sockets:
            try:
                async with asyncio.timeout(self.settings.close_timeout_s):
                    await self._all_gone.wait()
            except TimeoutError:
                return False
        return True

    async def _connect(self, flow: TcpFlow, protocol: asyncio.Protocol) -> None:
        host, port = flow.remote
        # From the listener's own address, because that is the one the peer may know us by.
        local = None if flow.listener.wildcard else (flow.listener.host, 0)
        try:
            async with asyncio.timeout(self.settings.connect_timeout_s):
                await self.loop.create_connection(lambda: protocol, host, port, local_addr=local)
        except TimeoutError:
            reason = f"no connection within {self.settings.connect_timeout_s:g} s"
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
        else:
            self.counters.connected += 1
            return
        finally:
            flow.connecting = None
        flow.abort(reason)

    def shut(self, source: str) -> None:
        """Close what a banned source has open; a ban by hand spares nobody."""
        ban = self._fence.shut.get(source)
        for flow in list(self._by_serial.values()):
            spared = ban is None or (not ban.by_hand and flow.remote in self._fence.proofs)
            if flow.accepted and not spared and source_of(flow.remote[0]) == source:
                flow.abort("its source is banned")

    def _admit(self, flow: TcpFlow) -> bool:
        source = source_of(flow.remote[0])
        if self._fence.shut and self._fence.bars(flow.remote, self.loop.time()):
            return False
        if len(self._by_serial) >= self.settings.max_connections or self._are_too_many(source):
            self.counters.refused += 1
            self.faults.note("net.connection_refused", "too many connections", flow.remote)
            return False
        self._per_source[source] = self._per_source.get(source, 0) + 1
        self.counters.accepted += 1
        self._enter(flow)
        return True

    def _are_too_many(self, source: str) -> bool:
        """Whether a source has its share: of connections that stand, and of those that came lately."""
        now = self.loop.time()
        if now - self._lately_since >= _LATELY_S or len(self._lately) >= _MOST_SOURCES:
            self._lately.clear()
            self._lately_since = now
        lately = self._lately[source] = self._lately.get(source, 0) + 1
        settings = self.settings
        standing = self._per_source.get(source, 0)
        if lately <= settings.max_arrivals_per_source and standing < settings.max_connections_per_source:
            return False
        return not self._fence.trusts(source)

    def _enter(self, flow: TcpFlow) -> None:
        self._by_serial[flow.serial] = flow
        self._by_remote[flow.listener, *flow.remote, flow.peer_name] = flow

    def _leave_source(self, source: str) -> None:
        left = self._per_source.get(source, 0) - 1
        if left > 0:
            self._per_source[source] = left
        else:
            self._per_source.pop(source, None)

    def _next_serial(self) -> str:
        self._count += 1
        return f"{self._run}.{self._count}"
