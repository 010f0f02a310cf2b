"""A SIP client over WebSocket: JsSIP under Node, driven line by line."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from tests.peers.programs import ROOT, MissingPeerError, end_process, program

FOLDER = ROOT / "tests" / "peers" / "jssip"
_MOST_EVENTS = 1000


class WebClient:
    """One web client. ``url`` is ws:// or wss://; ``ca`` a PEM file to trust, the system's when None.

    Its media is plain RTP in G.711 on 127.0.0.1, a tone of ``tone_hz`` out. Use as ``async with``.
    """

    def __init__(
        self, url: str, uri: str, password: str, *, ca: Path | None = None, tone_hz: float = 440.0
    ) -> None:
        self._account = [url, uri, password]
        self._arguments = [*self._account, *([str(ca)] if ca else [])]
        self._tone_hz = tone_hz
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._pending: collections.deque[dict[str, Any]] = collections.deque(maxlen=_MOST_EVENTS)
        self._seen: collections.deque[str] = collections.deque(maxlen=_MOST_EVENTS)
        self._arrived = asyncio.Condition()

    async def __aenter__(self) -> Self:
        if not (FOLDER / "node_modules" / "jssip").is_dir():
            raise MissingPeerError(f"JsSIP is not installed: npm ci --prefix {FOLDER}  (or: make setup-test)")
        self._process = await asyncio.create_subprocess_exec(
            program("node"),
            *self._script(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._reader = asyncio.create_task(self._read(), name="web client")
        self.command("tone", hz=self._tone_hz)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None:
            self.command("quit")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), 5)
            await end_process(self._process)
        if self._reader is not None:
            await self._reader

    def _script(self) -> list[str]:
        return [str(FOLDER / "phone.mjs"), *self._arguments]

    def command(self, name: str, **parameters: object) -> None:
        """Send a command of phone.mjs."""
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError):
            self._process.stdin.write(json.dumps({"command": name, **parameters}).encode() + b"\n")

    async def event(self, kind: str, within: float = 120.0) -> dict[str, Any]:
        """The oldest event of this kind that was not handed out yet; waits for it."""

        def find() -> dict[str, Any] | None:
            return next((event for event in self._pending if event["type"] == kind), None)

        try:
            async with asyncio.timeout(within), self._arrived:
                await self._arrived.wait_for(lambda: find() is not None)
        except TimeoutError:
            raise AssertionError(f"no {kind} within {within} s; seen: {list(self._seen)}") from None
        event = find()
        assert event is not None
        self._pending.remove(event)
        return event

    async def hears(self, hz: float, above_dbfs: float = -20.0, within: float = 60.0) -> None:
        """Wait until ``hz`` was heard throughout a whole second."""
        await self._listen(hz, lambda level: level >= above_dbfs, within)

    async def _listen(self, hz: float, enough: Callable[[float], bool], within: float) -> None:
        levels: list[float] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not levels or not enough(levels[-1]):
                    if levels:
                        await asyncio.sleep(0.1)
                    self.command("heard", hz=hz)
                    levels.append((await self.event("heard"))["level"])
                return
        told = [line for line in self._seen if '"heard"' not in line]
        raise AssertionError(
            f"{hz} Hz was not heard within {within} s; levels in dBFS: {levels[-10:]}; told: {told}"
        )

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self._seen.append(line.decode(errors="replace").strip())
            with contextlib.suppress(json.JSONDecodeError):
                event = json.loads(line)
                if isinstance(event, dict) and "type" in event:
                    async with self._arrived:
                        self._pending.append(event)
                        self._arrived.notify_all()
