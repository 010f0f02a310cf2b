"""Apps at the gateway's API: a few connections that stay open, and as little work as that takes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Final, Self, cast

from bench.mobile_gateway import API
from bench.process import BenchError

ANSWER_S: Final = 20.0


class _Connection(asyncio.Protocol):
    """One at a time is asked and answered."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._seen = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: it stands."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """asyncio: a part of an answer."""
        self._seen += data
        head, found, body = self._seen.partition(b"\r\n\r\n")
        if not found or self._answer is None or self._answer.done():
            return
        length = _length(head)
        if len(body) >= length:
            self._seen = body[length:]
            self._answer.set_result((int(head[9:12]), body[:length]))

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: it is gone."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(BenchError("the API closed a connection"))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body."""
        if self._transport is None:
            raise BenchError("the API cannot be reached")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        async with asyncio.timeout(ANSWER_S):
            return await self._answer

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


class Rest:
    """So many connections; who asks waits for a free one."""

    def __init__(self, connections: int) -> None:
        self._many = connections
        self._all: list[_Connection] = []
        self._free: asyncio.Queue[_Connection] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for _ in range(self._many):
            _, made = await loop.create_connection(_Connection, *API)
            self._all.append(made)
            self._free.put_nowait(made)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for one in self._all:
            one.close()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def ask(self, method: str, path: str, bearer: str, body: Any = None) -> tuple[int, bytes]:
        """Status and body."""
        sent = json.dumps(body).encode() if body is not None else b""
        kind = f"Content-Type: application/json\r\nContent-Length: {len(sent)}\r\n" if sent else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: {API}\r\nAuthorization: Bearer {bearer}\r\n{kind}\r\n"
        connection = await self._free.get()
        try:
            return await connection.ask(head.encode() + sent)
        finally:
            self._free.put_nowait(connection)
