"""The server's side of one WebSocket (RFC 6455) that carries SIP (RFC 7118), without I/O.

Bytes of the connection go in, SIP messages and pings come out; what must go back to the peer (the answer to
its handshake, pongs, close frames) is handed to ``write`` at once. Frames are cut and made by the websockets
library, without compression.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

from websockets.exceptions import WebSocketException
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Origin, Subprotocol

from trunkline.base.errors import RemoteProtocolError
from trunkline.proto.sip.stream import PING, Event

SUBPROTOCOL: Final = Subprotocol("sip")
PING_BYTES: Final = b"\r\n\r\n"

_MAX_HANDSHAKE: Final = 32_768  # bytes of the HTTP request; the library alone would take a megabyte
_MAX_FRAGMENTS: Final = 256  # of one message: empty ones would otherwise cost memory without end
_CRLF_ONLY: Final = 4

# What the library would log is told by us, in our own words and not once for each connection.
_silent = logging.getLogger("trunkline.websockets")
_silent.disabled = True


class WebSocket:
    """One connection. ``max_message`` bounds a message in bytes; ``origins`` are the pages that may connect.

    A client without an Origin is no browser and may always connect (RFC 6455 §10.2); no ``origins``: any page.
    """

    __slots__ = ("_before", "_fragments", "_kind", "_protocol", "_write", "error", "misled")

    def __init__(self, write: Callable[[bytes], None], max_message: int, origins: Sequence[str] = ()) -> None:
        self.error: RemoteProtocolError | None = None
        self.misled = False
        """The handshake was one, and refused for its Origin or subprotocol: any page can have a browser try that."""
        self._before = 0
        self._write = write
        self._fragments: list[bytes] = []
        self._kind = Opcode.TEXT
        self._protocol = ServerProtocol(
            origins=[*(Origin(origin) for origin in origins), None] if origins else None,
            subprotocols=[SUBPROTOCOL],
            max_size=max_message,
            logger=_silent,
        )

    @property
    def open(self) -> bool:
        """Whether the handshake is done and nobody has begun to close."""
        return self._protocol.state is State.OPEN

    @property
    def upgraded(self) -> bool:
        """Whether the handshake is done."""
        return self._protocol.state is not State.CONNECTING

    def feed(self, data: bytes) -> list[Event]:
        """The messages and CRLF pings that ``data`` completed, in order.

        A fault after some of them stands in ``error``; without any it is raised. The close frame, or the
        HTTP answer, that tells the peer about it has been written then: the connection must be closed.
        """
        events: list[Event] = []
        try:
            if not self.upgraded:
                self._bound_handshake(data)
            self._protocol.receive_data(data)
            for event in self._protocol.events_received():
                if isinstance(event, Request):
                    self._answer(event)
                elif isinstance(event, Frame):
                    self._take(event, events)
            self._check()
        except RemoteProtocolError as error:
            self.error = error
        except (WebSocketException, EOFError, AssertionError) as error:
            self.error = RemoteProtocolError(f"no WebSocket: {type(error).__name__}")
        self._flush()
        if self.error is not None and not events:
            raise self.error
        return events

    def message(self, data: bytes) -> bytes:
        """A SIP message as a frame: text where it is UTF-8, for a browser fails on any other (RFC 6455 §8.1)."""
        try:
            data.decode()
        except UnicodeDecodeError:
            return Frame(Opcode.BINARY, data).serialize(mask=False)
        return Frame(Opcode.TEXT, data).serialize(mask=False)

    def ping(self) -> None:
        """Ask for a sign of life; the pong needs no further look (RFC 6455 §5.5.2)."""
        if self.open:
            self._protocol.send_ping(b"")
            self._flush()

    def close(self, code: CloseCode = CloseCode.GOING_AWAY) -> None:
        """Write a close frame, unless one was written."""
        if self.open:
            self._protocol.send_close(code)
            self._flush()

    def _answer(self, request: Request) -> None:
        """Answer the handshake (RFC 6455 §4.2.2): 101, or why not."""
        protocol = self._protocol
        if protocol.eof_sent:
            raise RemoteProtocolError("what follows the handshake is no WebSocket frame")
        response = protocol.accept(request)
        if response.status_code == 400 and "subprotocol" in str(protocol.handshake_exc):
            self.misled = True
            response = protocol.reject(400, "SIP needs the WebSocket subprotocol 'sip' (RFC 7118).\n")
        self.misled = self.misled or response.status_code == 403
        protocol.send_response(response)
        if response.status_code != 101:
            raise RemoteProtocolError(
                f"the WebSocket handshake was answered {response.status_code}: {_why(bytes(response.body))}"
            )

    def _bound_handshake(self, data: bytes) -> None:
        self._before += len(data)
        if self._before > _MAX_HANDSHAKE:
            raise RemoteProtocolError(f"a WebSocket handshake of more than {_MAX_HANDSHAKE} bytes")

    def _take(self, frame: Frame, events: list[Event]) -> None:
        if frame.opcode in {Opcode.TEXT, Opcode.BINARY}:
            self._kind = frame.opcode
            self._fragments = [bytes(frame.data)]
        elif frame.opcode is Opcode.CONT:
            self._fragments.append(bytes(frame.data))
        else:
            return
        if len(self._fragments) > _MAX_FRAGMENTS:
            self._fail(CloseCode.POLICY_VIOLATION, f"a message of more than {_MAX_FRAGMENTS} fragments")
        if frame.fin:
            message = b"".join(self._fragments)
            self._fragments = []
            self._deliver(message, events)

    def _deliver(self, message: bytes, events: list[Event]) -> None:
        if self._kind is Opcode.TEXT:
            try:
                message.decode()
            except UnicodeDecodeError:
                self._fail(CloseCode.INVALID_DATA, "a text message that is not UTF-8")
        if len(message) <= _CRLF_ONLY and not message.strip(b"\r\n"):
            # RFC 7118 §6: the keep-alive of RFC 5626 may be used here too.
            if message == PING_BYTES:
                events.append(PING)
            return
        events.append(message)

    def _fail(self, code: CloseCode, reason: str) -> None:
        if not self._protocol.eof_sent:
            self._protocol.fail(code, reason)
        raise RemoteProtocolError(reason)

    def _check(self) -> None:
        """Raise what the library's parser stopped at, or how the peer closed."""
        protocol = self._protocol
        if protocol.parser_exc is not None:
            closed = protocol.close_sent
            code = f" ({closed.code})" if closed is not None else ""
            raise RemoteProtocolError(f"{_why(str(protocol.parser_exc).encode())}{code}")
        if protocol.state is State.CONNECTING and protocol.eof_sent:
            raise RemoteProtocolError("no HTTP request came where a WebSocket begins with one")

    @property
    def closed_by_peer(self) -> bool:
        """Whether the peer has sent its close frame; ours has been written then."""
        return self._protocol.close_rcvd is not None

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:  # the empty one stands for the end of the stream
                self._write(data)


def _why(text: bytes) -> str:
    """The first line of a text that the library made, short and printable."""
    line = text.decode(errors="replace").partition("\n")[0]
    line = line.removeprefix("Failed to open a WebSocket connection: ").rstrip(".")
    return "".join(char if char.isprintable() else "?" for char in line)[:120]
