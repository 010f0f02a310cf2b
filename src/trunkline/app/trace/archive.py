"""What is kept of calls: lines of JSON in files of the data folder, bounded in size and age.

Messages are gathered for half a second and written by a thread, secrets covered. Files are begun anew when
they are full; the oldest are deleted when all together are too large or too old.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from io import BufferedWriter
from pathlib import Path
from typing import Final

import structlog

from trunkline.app.trace.lines import line_of, message_of
from trunkline.app.trace.tracer import Seen, Tracer
from trunkline.base.errors import RemoteProtocolError
from trunkline.base.messages import TracedMessage

log = structlog.get_logger("trace")

FOLDER: Final = "trace"
FLUSH_S: Final = 0.5
MAX_PENDING: Final = 20_000
MAX_FOUND: Final = 20_000  # messages of one call that are read back
_SHARE: Final = 16  # how many files there are when the bound is reached
_SWEEP_S: Final = 60.0
_CSEQ: Final = re.compile(rb"(?im)^CSeq[ \t]*:[ \t]*\d+[ \t]+([A-Z]+)")
_OF_CALLS: Final = frozenset(
    {b"INVITE", b"ACK", b"CANCEL", b"BYE", b"PRACK", b"UPDATE", b"INFO", b"REFER", b"NOTIFY"}
)


class Files:
    """The files of the folder; used by one thread at a time. ``size`` in bytes, ``age_s`` in seconds."""

    def __init__(self, folder: Path, size: int, age_s: float) -> None:
        self._folder = folder
        self._size = size
        self._age_s = age_s
        self._file: BufferedWriter | None = None
        self._written = 0
        self._swept_at = 0.0

    def write(self, lines: Iterable[bytes], now: float) -> None:
        """Append lines; raises OSError."""
        for line in lines:
            if self._file is None or self._written + len(line) > self._size // _SHARE:
                self._begin(now)
            if self._file is not None:
                self._file.write(line)
                self._written += len(line)
        if self._file is not None:
            self._file.flush()
        if now - self._swept_at >= _SWEEP_S:
            self.sweep(now)

    def _begin(self, now: float) -> None:
        self.close()
        self._folder.mkdir(mode=0o700, exist_ok=True)
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S")
        for number in range(1_000_000):
            path = self._folder / f"{stamp}-{number:06}.jsonl"
            with suppress(FileExistsError):
                descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
                self._file, self._written = os.fdopen(descriptor, "wb"), 0
                break
        self.sweep(now)

    def sweep(self, now: float) -> None:
        """Delete the oldest files, as far as size and age ask for it; not the one that is written."""
        self._swept_at = now
        total = 0
        current = self._file.name if self._file is not None else ""
        # Room for the file that is begun: with it, the bound holds.
        bound = self._size - self._size // _SHARE
        for path in sorted(self._folder.glob("*.jsonl"), reverse=True):
            state = path.stat()
            total += state.st_size
            if (total > bound or now - state.st_mtime > self._age_s) and str(path) != str(current):
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file that is written."""
        if self._file is not None:
            self._file.close()
            self._file = None


class Archive:
    """A viewer that keeps the messages of calls. Make it on the running loop, ``start``, ``stop``."""

    def __init__(
        self, tracer: Tracer, files: Files, *, bodies: bool, wall: Callable[[], float] = time.time
    ) -> None:
        self._tracer = tracer
        self._files = files
        self._bodies = bodies
        self._wall = wall
        self._pending: list[Seen] = []
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.lost = 0

    def take(self, seen: Seen) -> None:
        method = _CSEQ.search(seen.data)
        if method is None or method[1] not in _OF_CALLS:
            return
        if len(self._pending) < MAX_PENDING:
            self._pending.append(seen)
        else:
            self.lost += 1

    def start(self) -> None:
        """Keep from now on."""
        self._tracer.add(self)
        self._task = asyncio.create_task(self._run(), name="trace archive")

    async def stop(self) -> None:
        """Write what is left and close."""
        self._tracer.remove(self)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self.flush()
        await asyncio.to_thread(self._files.close)

    async def flush(self) -> None:
        """Write what was gathered; what the disk does not take is counted in ``lost`` and told."""
        async with self._turn:
            batch, self._pending = self._pending, []
            if not batch:
                return
            try:
                await asyncio.to_thread(self._write, batch)
            except OSError as error:
                self.lost += len(batch)
                log.warning("messages were not kept", messages=len(batch), why=error.strerror or str(error))

    def _write(self, batch: list[Seen]) -> None:
        traced = (self._tracer.traced(seen, bodies=self._bodies) for seen in batch)
        self._files.write((line_of(one).encode() + b"\n" for one in traced), self._wall())

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            await self.flush()


def kept_messages(folder: Path, call_ids: set[str]) -> list[TracedMessage]:
    """The messages of these dialogs, oldest first; of ``folder``, the exchange's data folder. Reads files."""
    found: list[TracedMessage] = []
    marks = [json.dumps(call_id, ensure_ascii=False).encode() for call_id in call_ids if call_id]
    for path in sorted((folder / FOLDER).glob("*.jsonl")):
        with suppress(FileNotFoundError), path.open("rb") as file:  # it may have become too old just now
            found.extend(_of_these(file, marks, call_ids))
        if len(found) >= MAX_FOUND:
            break
    return sorted(found[:MAX_FOUND], key=lambda message: message.at)


def _of_these(lines: Iterable[bytes], marks: list[bytes], call_ids: set[str]) -> Iterator[TracedMessage]:
    for line in lines:
        if any(mark in line for mark in marks):
            with suppress(RemoteProtocolError):  # a crash may have cut the last line
                message = message_of(line)
                if message.call in call_ids:
                    yield message
