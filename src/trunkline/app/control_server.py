"""The control socket's server: the command line asks, the exchange answers.

Only the exchange's own user and root may speak: the socket's mode is 0600, and the kernel tells who has
connected. Clients, lines, waiting and work are all bounded.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from trunkline.app.control_wire import MAX_REQUEST, Envelope, decode_request, encode_answer, short_path
from trunkline.app.folder_lock import FolderLock
from trunkline.app.stream_clients import StreamClients
from trunkline.base.errors import TrunklineError
from trunkline.base.message_codec import Message, MessageError
from trunkline.base.messages import Problem, Refused, Request

Handle = Callable[[Request[Any]], Awaitable[Message]]
log = structlog.get_logger("control")


class ControlServer:
    """Serves ``path`` until stopped.

    ``claim()`` takes the data folder at once and raises AlreadyRunning when another process has it;
    ``start()`` does so too and begins to serve. ``idle_s`` bounds the wait for a client's next request and
    for its reading of an answer.
    """

    def __init__(
        self,
        path: Path,
        handle: Handle,
        *,
        max_clients: int = 32,
        max_line: int = MAX_REQUEST,
        idle_s: float = 60.0,
        peer_uid: Callable[[socket.socket], int | None] | None = None,
    ) -> None:
        self.path = path
        self._handle = handle
        self._max_clients = max_clients
        self._max_line = max_line
        self._idle_s = idle_s
        self._peer_uid = peer_uid or peer_uid_of
        self._lock = FolderLock(path.with_suffix(".lock"))
        self._clients = StreamClients(self._client, "control client")

    @property
    def serving(self) -> bool:
        """Whether requests are answered."""
        return self._clients.serving

    def claim(self) -> None:
        """Make this process the folder's owner; raises AlreadyRunning."""
        self._lock.acquire()

    async def start(self) -> None:
        """Bind and serve. A socket file that is left here belongs to nobody: its owner's lock is gone."""
        self.claim()
        self.path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with short_path(self.path) as name:
                listener.bind(name)
            # Before listen() nobody can connect, so there is no moment with a looser mode.
            self.path.chmod(0o600)
            accept = self._clients.accept
            self._clients.of(await asyncio.start_unix_server(accept, sock=listener, limit=self._max_line))
        except BaseException:
            listener.close()
            self._lock.release()
            raise

    async def stop(self) -> None:
        """Close, end every client, remove the socket, release the folder. Harmless when not started."""
        if await self._clients.stop():
            self.path.unlink(missing_ok=True)
        self._lock.release()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            refusal = self._refusal(writer)
            if refusal is not None:
                await self._send(writer, 0, refusal)
            else:
                await self._serve(reader, writer)
        except ConnectionError:
            log.debug("control client gone")
        except TimeoutError:
            # What it does not read is thrown away: a closing transport would wait for it for ever.
            writer.transport.abort()

    def _refusal(self, writer: asyncio.StreamWriter) -> Problem | None:
        uid = self._peer_uid(writer.get_extra_info("socket"))
        if uid not in {0, os.geteuid()}:
            log.warning("control client refused", uid=uid)
            detail = f"user {uid} may not control an exchange of user {os.geteuid()}"
            return Problem(code="control.forbidden", detail=detail, hint="run as that user", status=403)
        if len(self._clients) > self._max_clients:
            detail = f"{self._max_clients} clients are connected"
            return Problem(code="control.too_many_clients", detail=detail, hint="try again", status=503)
        return None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                async with asyncio.timeout(self._idle_s):
                    line = await reader.readline()
            except ValueError:
                detail = f"a request is at most {self._max_line} bytes"
                await self._send(writer, 0, Problem(code="control.line_too_long", detail=detail, status=413))
                return
            if not line.endswith(b"\n"):
                return
            number, answer = await self._answer(line)
            await self._send(writer, number, answer)

    async def _answer(self, line: bytes) -> tuple[int, Message]:
        try:
            envelope = decode_request(line)
        except MessageError as error:
            return 0, Problem(code=error.code, detail=error.reason, status=error.status)
        return envelope.id, await self._run(envelope)

    async def _run(self, envelope: Envelope) -> Message:
        """The one place where errors of handlers become problems."""
        try:
            async with asyncio.timeout(envelope.deadline_s):
                return await self._handle(envelope.request)
        except Refused as refused:
            return refused.problem
        except TimeoutError:
            detail = f"{envelope.request.type} ran out of time ({envelope.deadline_s:g} s were allowed)"
            return Problem(code="control.deadline", detail=detail, status=504)
        except TrunklineError as error:
            return Problem(code="exchange.failed", detail=str(error), status=500)
        except Exception:
            log.exception("control request failed", request=envelope.request.type)
            detail = f"{envelope.request.type} failed inside the exchange"
            return Problem(code="exchange.fault", detail=detail, hint="the log has the details", status=500)

    async def _send(self, writer: asyncio.StreamWriter, number: int, answer: Message) -> None:
        writer.write(encode_answer(number, answer))
        async with asyncio.timeout(self._idle_s):
            await writer.drain()


def peer_uid_of(connection: socket.socket) -> int | None:
    """The user at the other end, by the kernel's word (unix(7), SO_PEERCRED); None when it will not tell."""
    with suppress(OSError):
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _pid, uid, _gid = struct.unpack("3i", raw)
        return int(uid)
    return None
