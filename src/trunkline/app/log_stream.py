"""Standard error that never blocks the exchange.

A reader that stalls (a full pipe, a stopped terminal) must not stop calls. Before each write the descriptor
is polled: on Linux a pipe that polls writable takes PIPE_BUF bytes at once (pipe(7)). Lines that find no room
are dropped and counted, and the count is told when there is room again.
"""

from __future__ import annotations

import os
import select
import threading

_CHUNK = select.PIPE_BUF
MAX_LINE = 16_384
GATHERED = 64  # lines that are held back at most


class GuardedStream:
    """Writes whole lines to ``descriptor``, in their order; ``dropped`` counts lines lost for want of a reader."""

    __slots__ = ("_descriptor", "_gathered", "_noticed", "_pending", "_poll", "_writing", "dropped")

    def __init__(self, descriptor: int = 2) -> None:
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._pending = b""
        self._gathered: list[bytes] = []
        self._writing = threading.Lock()
        self.dropped = 0
        self._noticed = 0

    def write_line(self, text: str) -> None:
        """Write ``text`` and a newline, or drop the line. A line is cut at 16 KiB."""
        self._gathered.append(_line(text))
        self.flush()

    def gather_line(self, text: str) -> bool:
        """Write it with those that follow: alone, each costs two system calls. True: ``flush`` is to be called soon."""
        lines = self._gathered
        lines.append(_line(text))
        if len(lines) >= GATHERED:
            self.flush()
        return len(lines) == 1

    def flush(self) -> None:
        """Write what was gathered, or drop it.

        The store's thread writes lines too, and a finalizer may in the middle of another: theirs are left to whoever
        is writing.
        """
        lines = self._gathered
        while lines and self._writing.acquire(blocking=False):
            try:
                taken = lines[:]
                del lines[: len(taken)]
                self._write(taken)
            finally:
                self._writing.release()

    def _write(self, lines: list[bytes]) -> None:
        if not self._flush():
            self.dropped += len(lines)
            return
        if self.dropped > self._noticed:
            lost = self.dropped - self._noticed
            self._noticed = self.dropped
            lines.insert(0, b"(%d log lines were dropped because standard error was blocked)\n" % lost)
        self._pending = b"".join(lines)
        self._flush()

    def _flush(self) -> bool:
        """Write what is pending as far as there is room; True when nothing is left."""
        while self._pending:
            if not self._writable():
                return False
            try:
                written = os.write(self._descriptor, self._pending[:_CHUNK])
            except BlockingIOError:
                return False
            except OSError:
                # The reader has gone for good: what was to be said is lost, and nobody is left to tell.
                self._pending = b""
                self.dropped += 1
                return False
            self._pending = self._pending[written:]
        return True

    def _writable(self) -> bool:
        ready = self._poll.poll(0)
        return bool(ready) and bool(ready[0][1] & (select.POLLOUT | select.POLLERR | select.POLLHUP))


def _line(text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    return data + b"\n" if len(data) <= MAX_LINE else data[:MAX_LINE] + b" (cut)\n"
