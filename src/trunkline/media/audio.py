"""The sound of a port for a program: frames to read, frames and marks to write, over the engine's socket."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import AsyncGenerator

from trunkline.base.errors import MediaError
from trunkline.media.commands import OpenAudio
from trunkline.media.engine import MediaEngine

_MOST_UNREAD = 100
"""Frames that wait here; the engine keeps as many before it drops the oldest."""
_LONGEST_NAME = 64


class AudioStream:
    """One port's sound: an async iterator of frames; ``write`` waits while ten seconds wait to be spoken.

    ``async for frame in stream`` gives 20 ms of signed 16-bit little-endian samples each; silence stands in for what
    was not heard. It ends when the port is closed, unlinked or does something else. Close it in the end.
    """

    def __init__(self, fd: int, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self._socket = socket.socket(fileno=fd)
        self._socket.setblocking(False)
        # What is cleared must not wait behind seconds of sound that the engine has no room for yet.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * self._step)
        self._loop = asyncio.get_running_loop()
        self._frames: deque[bytes] = deque()
        self._marks: dict[str, list[asyncio.Future[None]]] = {}
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._waiting = self._clearing = 0
        self._writing = asyncio.Lock()
        self._reading = self._closed = False
        self._read(True)

    @classmethod
    async def open(cls, engine: MediaEngine, command: OpenAudio) -> AudioStream:
        """Ask the engine for the stream; raises what ``OpenAudio`` is refused with."""
        return cls((await engine.execute(command)).fd, command.rate_hz)

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        while True:
            while self._frames:
                yield self._frames.popleft()
                self._read(len(self._frames) < _MOST_UNREAD)
            if self._closed:
                return
            self._news.clear()
            await self._news.wait()

    async def write(self, samples: bytes) -> None:
        """Have samples spoken behind those before; MediaError with ``media.stopped`` when nobody speaks any more."""
        async with self._writing:
            for at in range(0, len(samples), self._step):
                await self._send(b"A" + samples[at : at + self._step])

    async def mark(self, name: str) -> asyncio.Future[None]:
        """A future that is done when all that was written until now was spoken, or was cleared.

        ``name`` has 1 to 64 octets. It is cancelled when the stream ends before.
        """
        octets = name.encode()
        if not 1 <= len(octets) <= _LONGEST_NAME:
            raise MediaError(f"a mark has 1 to 64 octets, got {len(octets)}", "media.argument")
        told: asyncio.Future[None] = self._loop.create_future()
        self._marks.setdefault(name, []).append(told)
        async with self._writing:
            await self._send(b"M" + octets)
        return told

    async def clear(self) -> None:
        """Forget what waits to be spoken: the caller has begun to speak. It goes before what is still being written."""
        self._clearing += 1
        try:
            await self._send(b"C", first=True)
        finally:
            self._clearing -= 1

    def close(self) -> None:
        """End it; does nothing when it has ended."""
        if self._closed:
            return
        self._closed = True
        self._read(False)
        self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
        for told in [told for waiting in self._marks.values() for told in waiting]:
            told.cancel()
        self._marks.clear()
        self._news.set()
        self._room.set()

    @property
    def _step(self) -> int:
        """Octets of 100 ms."""
        return self.rate_hz // 10 * 2

    async def _send(self, message: bytes, *, first: bool = False) -> None:
        while not self._closed:
            if self._clearing and not first:
                await self._wait_for_room()
                continue
            try:
                self._socket.send(message)
            except (BlockingIOError, InterruptedError):
                await self._wait_for_room()
            except OSError:
                self.close()
            else:
                return
        raise MediaError("the port does not speak for this program any more", "media.stopped")

    async def _wait_for_room(self) -> None:
        self._room.clear()
        self._waiting += 1
        self._loop.add_writer(self._socket.fileno(), self._room.set)
        try:
            await self._room.wait()
        finally:
            self._waiting -= 1
            if not self._closed and self._waiting == 0:
                self._loop.remove_writer(self._socket.fileno())

    def _read(self, wanted: bool) -> None:
        if wanted and not self._reading and not self._closed:
            self._loop.add_reader(self._socket.fileno(), self._take)
        elif not wanted and self._reading:
            self._loop.remove_reader(self._socket.fileno())
        self._reading = wanted and not self._closed

    def _take(self) -> None:
        try:
            message = self._socket.recv(16_384)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            message = b""
        if not message:
            self.close()
            return
        kind, rest = message[:1], message[1:]
        if kind == b"M":
            self._told(rest.decode(errors="replace"))
        elif kind == b"A":
            self._frames.append(rest)
        else:
            self._frames.extend(self._silence(int.from_bytes(rest[:4], "little")))
        self._news.set()
        self._read(len(self._frames) < _MOST_UNREAD)

    def _silence(self, samples: int) -> list[bytes]:
        """As frames; what was dropped because nobody read it is bounded by what may wait."""
        frame = self.rate_hz // 50
        return [bytes(2 * frame)] * min(samples // frame, _MOST_UNREAD)

    def _told(self, name: str) -> None:
        waiting = self._marks.get(name, [])
        if waiting and not (told := waiting.pop(0)).done():
            told.set_result(None)
        if not waiting:
            self._marks.pop(name, None)
