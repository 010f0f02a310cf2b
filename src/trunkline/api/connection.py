"""A connection of the API: its requests, deadlines and end; and what it becomes when it is a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast
from urllib.parse import unquote

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from trunkline.api.crowds import Sources
from trunkline.api.limits import TooMany
from trunkline.api.lingering import LingeringTransport
from trunkline.api.patience import Patience
from trunkline.api.plan import ApiPlan
from trunkline.api.usual import Usual, UsualCycle, read_usual

_MOST_HELD: Final = 1 << 20
"""Bytes that wait behind a request; reading stops at the first of them."""


class Http(H11Protocol):
    """With deadlines for a request's head and for readers that do not read, a limit of connections, and an end that
    takes no reply away. Requests that are not usual are uvicorn's and h11's.
    """

    plan: ApiPlan
    sources: Sources
    _source: str | None = None
    _held: bytes = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as theirs
        self._ending = LingeringTransport(transport, self._is_unread)
        super().connection_made(cast("asyncio.Transport", self._ending))
        self._head = Patience()
        self._reader = Patience()
        if len(self.connections) > self.plan.max_connections or not self._is_let_in(transport):
            transport.abort()
            return
        self._head.until(self.plan.head_s, transport)

    def _is_let_in(self, transport: asyncio.Transport) -> bool:
        peer = transport.get_extra_info("peername")
        try:
            self._source = self.sources.connected(peer[0] if peer else "")
        except TooMany:
            return False
        return True

    def data_received(self, data: bytes) -> None:
        if self._ending.lingers:
            self._ending.waste(data)
            return
        if isinstance(self.cycle, UsualCycle) and not self.cycle.response_complete:
            self._hold(data)
            return
        before = self.cycle
        usual = read_usual(data, self.plan.max_head) if self._is_at_a_beginning() else None
        if usual is not None:
            self._answer(usual)
        else:
            super().data_received(data)
        if self.cycle is not before or self.transport.get_protocol() is not self:
            self._head.enough()
        elif not self._head.waits and _is_idle(before):
            # The next head has begun, and its keep-alive timer is gone.
            self._head.until(self.plan.head_s, self.transport)

    def _is_at_a_beginning(self) -> bool:
        """h11 is in the middle of nothing, and has nothing left."""
        conn = self.conn
        return conn.their_state is h11.IDLE and conn.our_state is h11.IDLE and not conn.trailing_data[0]

    def _answer(self, usual: Usual) -> None:
        self._unset_keepalive_if_required()
        raw_path, _, query = usual.target.partition(b"?")
        self.scope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme or "http",
            "method": usual.method,
            "root_path": self.root_path,
            "path": self.root_path + unquote(raw_path.decode()),
            "raw_path": self.root_path.encode() + raw_path,
            "query_string": query,
            "headers": usual.headers,
            "state": self.app_state.copy(),
        }
        cycle = UsualCycle(
            scope=self.scope,
            conn=self.conn,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            on_response=self.on_response_complete,
        )
        cycle.take(usual.body)
        self.cycle = cycle
        task = self.loop.create_task(cycle.run_asgi(self.app))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def _hold(self, data: bytes) -> None:
        """The next request, asked before this one is answered, waits for that."""
        self._held += data
        self.flow.pause_reading()
        if len(self._held) > _MOST_HELD:
            self.transport.abort()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        held, self._held = self._held, b""
        if held and not self.transport.is_closing():
            self.data_received(held)

    def send_400_response(self, msg: str) -> None:
        """What came is not HTTP. In the middle of a body its reply may have begun: then nothing more is said."""
        if self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            super().send_400_response(msg)
        else:
            self.transport.close()
        if not _is_idle(self.cycle):  # to the application the client is gone
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self.transport = self._ending.transport  # a WebSocket says good-bye in its own way
        super().handle_websocket_upgrade(event)
        protocol = self.transport.get_protocol()
        if isinstance(protocol, WebSocket):
            protocol.left, self._source = self._leave_for(self._source), None

    def _leave_for(self, source: str | None) -> Callable[[], None]:
        return lambda: self.sources.connections.leave(source) if source is not None else None

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave_for(self._source)()
        self._source = None
        self._ending.lost()
        self._head.enough()
        self._reader.enough()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        if self._ending.lingers:
            self.transport.abort()
        else:
            super().shutdown()

    def pause_writing(self) -> None:
        self._reader.until(self.plan.send_s, self.transport)
        super().pause_writing()

    def resume_writing(self) -> None:
        self._reader.enough()
        super().resume_writing()

    def _is_unread(self) -> bool:
        """The client is in the middle of a request, or of what we took for none, or has sent one more."""
        return bool(self._held) or self.conn.their_state in {h11.SEND_BODY, h11.ERROR}


def _is_idle(cycle: RequestResponseCycle | None) -> bool:
    return cycle is None or cycle.response_complete


class WebSocket(WebSocketsSansIOProtocol):
    """With a deadline for readers that do not read."""

    plan: ApiPlan
    left: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._reader = Patience()

    def connection_lost(self, exc: Exception | None) -> None:
        left, self.left = self.left, None
        if left is not None:
            left()
        self._reader.enough()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        self._reader.until(self.plan.send_s, self.transport)
        super().pause_writing()

    def resume_writing(self) -> None:
        self._reader.enough()
        super().resume_writing()
