"""The clients of a stream server: each a task, known from its first moment, all ended when the server stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class StreamClients:
    """Hand ``accept`` to the server and the server to ``of``; ``serve`` is run for each client."""

    __slots__ = ("_name", "_serve", "_server", "_tasks")

    def __init__(self, serve: Serve, name: str) -> None:
        self._serve = serve
        self._name = name
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def serving(self) -> bool:
        """Whether clients are taken."""
        return self._server is not None and self._server.is_serving()

    def of(self, server: asyncio.Server) -> None:
        """From now on clients of this server are taken."""
        self._server = server

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Known from the first moment, so that stop() misses no client, not even one that never ran."""
        if self._server is None or not self._server.is_serving():
            writer.transport.abort()  # the loop had accepted it when stop() closed the door
            return
        task = asyncio.create_task(self._run(reader, writer), name=self._name)
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            writer.close()

        task.add_done_callback(ended)

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._serve(reader, writer)

    async def stop(self) -> bool:
        """Close the server and end every client; False when none was served."""
        if self._server is None:
            return False
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None
        return True
