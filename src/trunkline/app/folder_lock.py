"""One exchange per data folder: a lock that dies with its process."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from trunkline.app.control_wire import AlreadyRunning


class FolderLock:
    """``flock`` on a small file that holds the owner's pid; the kernel releases it when the owner dies."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        return self._descriptor is not None

    def acquire(self) -> None:
        """Take the lock; harmless when it is ours. Raises AlreadyRunning."""
        if self.held:
            return
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _pid(os.read(descriptor, 20))
            os.close(descriptor)
            raise AlreadyRunning(pid, self.path) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give it back; the file stays, because removing it would race with the next owner."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def _pid(text: bytes) -> int:
    with suppress(ValueError):
        return int(text)
    return 0
