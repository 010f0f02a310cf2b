"""A tiny HTTP proxy that knows CONNECT alone: it notes where it was asked to, and may ask for a password."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping


class ConnectProxy:
    """``hosts`` are names that it knows itself; ``authorization`` is what it wants to see, "" for nothing."""

    def __init__(self, hosts: Mapping[str, str] | None = None, authorization: str = "") -> None:
        self.asked: list[str] = []
        self.port = 0
        self._hosts = dict(hosts or {})
        self._authorization = authorization

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[ConnectProxy]:
        tasks: set[asyncio.Task[None]] = set()

        def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._serve(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        listening = await asyncio.start_server(begin, "127.0.0.1", 0)
        self.port = listening.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            listening.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far: asyncio.StreamWriter | None = None
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, where, _ = head.split("\r\n")[0].split(" ")
            self.asked.append(where)
            if (
                method != "CONNECT"
                or f"Proxy-Authorization: {self._authorization}" not in head + "Proxy-Authorization: "
            ):
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            host, _, port = where.rpartition(":")
            back, far = await asyncio.open_connection(self._hosts.get(host, host.strip("[]")), int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(_copy(reader, far), _copy(back, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass  # one of the two has gone
        finally:
            for one in (writer, far):
                if one is not None:
                    one.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()
    writer.close()
