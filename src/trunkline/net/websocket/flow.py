"""SIP over WebSocket (RFC 7118): a flow whose messages travel in frames."""

from __future__ import annotations

from trunkline.base.errors import RemoteProtocolError
from trunkline.net.flow import Failure
from trunkline.net.tcp import TcpFlow
from trunkline.net.websocket.protocol import WebSocket


class WebSocketFlow(TcpFlow):
    """One connection that a client made to a WS or WSS listener; nothing is sent before its handshake."""

    __slots__ = ("_pinged_at", "_socket")

    def _make_framer(self) -> WebSocket:
        self._pinged_at = self.last_heard
        self._socket = WebSocket(super()._write, self._owner.settings.max_message, self.listener.origins)
        return self._socket

    def send(self, data: bytes, on_failure: Failure | None = None) -> None:
        if self._socket.open or self.closed:
            super().send(data, on_failure)
        else:
            self._tell(on_failure, self._error("the WebSocket is not open"))

    def keep_alive(self, now: float) -> None:
        """Ping a client that was not pinged for a while: proxies on the way forget silent connections."""
        if now - self._pinged_at >= self._owner.settings.websocket_ping_s and not self.closed:
            self._pinged_at = now
            self._socket.ping()

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes came in."""
        super().data_received(data)
        if self._socket.closed_by_peer and not self.closed:
            self._end("the peer closed the WebSocket", sent_failed=False)

    def close(self) -> None:
        """Tell the client that we go away, then close once everything sent has left."""
        if not self.closed:
            self._socket.close()
        super().close()

    def _write(self, data: bytes) -> None:
        super()._write(self._socket.message(data))

    def _refuse(self, error: RemoteProtocolError) -> None:
        if self._socket.upgraded:
            self._owner.counters.framing_errors += 1
            self._owner.faults.note("net.framing_error", error.reason, self.remote)
        else:
            self._tally.handshakes_failed += 1
            # What any web page can have the browser of an honest visitor do counts against nobody.
            self._owner.faults.note(
                "net.websocket_refused", error.reason, self.remote, offence=not self._socket.misled
            )
        self._end(error.reason, sent_failed=True)

    def _end(self, reason: str, *, sent_failed: bool) -> None:
        """Close after our last frame, or the refusal of the handshake, has left."""
        self._flush()
        if self._transport is not None:
            self._transport.close()
        self._finish(self._error(reason), sent_failed=sent_failed)
