"""The control connection of baresip (module ctrl_tcp): JSON in netstrings, ``LENGTH:{...},``."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
from typing import Any

_MOST_EVENTS = 2000
_LONGEST_MESSAGE = 1_000_000


class Control:
    """Sends commands, waits for their replies, keeps events until somebody asks for them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._replies: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._pending: collections.deque[dict[str, Any]] = collections.deque(maxlen=_MOST_EVENTS)
        self._arrived = asyncio.Condition()
        self._count = 0
        self.log: collections.deque[str] = collections.deque(maxlen=_MOST_EVENTS)
        self._task = asyncio.create_task(self._read(), name="baresip control")

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def command(self, name: str, params: str = "", within: float = 60.0) -> str:
        """Run a command; its text answer. Raises ``AssertionError`` when baresip refuses it."""
        self._count += 1
        token = str(self._count)
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._replies[token] = reply
        body = json.dumps({"command": name, "params": params, "token": token}).encode()
        self._writer.write(b"%d:%b," % (len(body), body))
        answer = await asyncio.wait_for(reply, within)
        assert answer.get("ok"), f"baresip refused {name} {params}: {answer}"
        return str(answer.get("data", ""))

    async def event(self, kind: str, within: float = 60.0, **fields: str) -> dict[str, Any]:
        """The oldest event of this kind (and these fields) that was not handed out yet; waits for it."""

        def find() -> dict[str, Any] | None:
            for event in self._pending:
                if event.get("type") == kind and all(event.get(k) == v for k, v in fields.items()):
                    return event
            return None

        try:
            async with asyncio.timeout(within), self._arrived:
                await self._arrived.wait_for(lambda: find() is not None)
        except TimeoutError:
            raise AssertionError(
                f"no {kind} {fields or ''} within {within} s; seen: {list(self.log)}"
            ) from None
        event = find()
        assert event is not None
        self._pending.remove(event)
        return event

    def forget(self) -> None:
        """Drop the events that nobody asked for, before a new part of a test."""
        self._pending.clear()

    async def _read(self) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length = int((await self._reader.readuntil(b":"))[:-1])
                assert 0 <= length <= _LONGEST_MESSAGE, f"baresip sent a netstring of {length} bytes"
                message = json.loads((await self._reader.readexactly(length + 1))[:-1])
                await self._take(message)

    async def _take(self, message: dict[str, Any]) -> None:
        if message.get("response"):
            waiting = self._replies.pop(str(message.get("token")), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
            return
        self.log.append(f"{message.get('type')} {message.get('param', '')}".strip())
        async with self._arrived:
            self._pending.append(message)
            self._arrived.notify_all()
