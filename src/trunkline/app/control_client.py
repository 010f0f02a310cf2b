"""The control socket's client: synchronous, with a deadline for everything."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar, cast

from trunkline.app.control_wire import (
    MAX_DEADLINE_S,
    MAX_REPLY,
    MAX_REQUEST,
    Envelope,
    decode_answer,
    encode_request,
    short_path,
)
from trunkline.base.errors import TransportError
from trunkline.base.message_codec import Message, MessageError
from trunkline.base.messages import Problem, Refused, Request

R = TypeVar("R", bound=Message)
_SLACK_S = 1.0  # the server's own word on a deadline beats ours, so we wait a little longer


class NotRunning(TransportError):  # noqa: N818  (a state of the world, not a fault)
    """No exchange serves this data folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"no exchange is running with the data folder {path.parent}")
        self.folder = path.parent


class NotAllowed(TransportError):  # noqa: N818  (a state of the world, not a fault)
    """An exchange may be running, and this user may not speak to it."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"cannot reach the exchange at {path}: Permission denied")
        self.path = path


class ControlClient:
    """One connection. Raises NotRunning or NotAllowed on opening, TransportError when it breaks, Refused."""

    def __init__(self, path: Path, deadline_s: float = 10.0) -> None:
        self._path = path
        self._deadline_s = deadline_s
        self._buffer = bytearray()
        self._number = 0
        self._socket = _connect(path, deadline_s)

    def ask(self, request: Request[R], deadline_s: float | None = None) -> R:
        """The reply of the request's own type."""
        self._number += 1
        deadline_s = min(deadline_s or self._deadline_s, MAX_DEADLINE_S)
        line = encode_request(Envelope(self._number, deadline_s, request))
        if len(line) > MAX_REQUEST:
            raise TransportError(f"{request.type} has {len(line)} bytes, more than {MAX_REQUEST}")
        answer = self._exchange(line, time.monotonic() + deadline_s + _SLACK_S)
        if isinstance(answer, Problem):
            raise Refused(
                answer.code,
                answer.detail,
                answer.hint,
                answer.status,
                sip_status=answer.sip_status,
                reason=answer.reason,
            )
        if not isinstance(answer, request.reply_type()):
            raise TransportError(f"the exchange answered {request.type} with {answer.type}")
        return cast("R", answer)

    def _exchange(self, line: bytes, deadline: float) -> Message:
        try:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            self._send(line)
            while True:
                number, answer = decode_answer(self._read_line(deadline))
                if number in {0, self._number}:
                    return answer
        except TimeoutError:
            self.close()  # a late answer must not be taken for the next one
            raise TransportError("the exchange did not answer in time") from None
        except MessageError as error:
            raise TransportError(f"the exchange speaks another version: {error.reason}") from None
        except OSError as error:
            raise TransportError(f"the control socket broke: {error.strerror or error}") from None

    def _send(self, line: bytes) -> None:
        try:
            self._socket.sendall(line)
        except BrokenPipeError:
            # A server that refuses us says why and closes before it reads; its words are still to be read.
            return

    def _read_line(self, deadline: float) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > MAX_REPLY:
                raise TransportError("the exchange's answer is too long")
            self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
            chunk = self._socket.recv(1 << 18)
            if not chunk:
                raise TransportError("the exchange closed the control socket")
            self._buffer += chunk
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _connect(path: Path, deadline_s: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(deadline_s)
    try:
        with short_path(path) as name:
            connection.connect(name)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        connection.close()
        raise NotRunning(path) from None
    except PermissionError:
        connection.close()
        raise NotAllowed(path) from None
    except OSError as error:
        connection.close()
        raise TransportError(f"cannot reach the exchange at {path}: {error.strerror or error}") from None
    return connection
