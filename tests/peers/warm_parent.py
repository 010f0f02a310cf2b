"""The program that ``tests.peers.warm`` runs: ``trunkline``, imported once, in a new process for each request.

    python -P warm_parent.py SOCKET

It ends, and with it what it has started, when its standard input ends. It has one thread, for it forks.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pkgutil
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import trunkline
from trunkline.app.cli import main

_REQUEST_S = 30.0
_HEAD = 4
_MOST_DESCRIPTORS = 4096
# Imported by trunkline when it needs them.
_LATER = ("alembic.autogenerate", "encodings.idna", "uvicorn.lifespan.off", "uvicorn.loops.asyncio")


@dataclass(frozen=True, slots=True)
class Request:
    """What to run: arguments, environment, folder, and the descriptors 0, 1 and 2."""

    words: list[str]
    environment: dict[str, str]
    folder: str
    descriptors: list[int]


@dataclass(frozen=True, slots=True)
class Child:
    """A program that runs, and who asked for it."""

    pid: int
    asked: socket.socket


class Parent:
    """Forks for each connection; who closes it ends the child."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._children: dict[int, Child] = {}  # by the child's pidfd
        self._poll = select.poll()  # it has no descriptor of its own, which children would inherit
        self._poll.register(sys.stdin.fileno(), select.POLLIN)
        self._poll.register(listener.fileno(), select.POLLIN)

    def serve(self) -> Request | None:
        """None at the end; in a child: what it is to do."""
        while True:
            for ready, _ in self._poll.poll():
                if ready == sys.stdin.fileno():
                    return None
                if ready == self._listener.fileno():
                    request = self._accept()
                    if request is not None:
                        return request
                elif ready in self._children:
                    self._ended(ready)
                else:
                    self._left(ready)

    def end(self) -> None:
        """SIGKILL for all children."""
        for pidfd in list(self._children):
            os.kill(self._children[pidfd].pid, signal.SIGKILL)
            self._ended(pidfd)

    def _accept(self) -> Request | None:
        asked, _ = self._listener.accept()
        asked.settimeout(_REQUEST_S)
        try:
            request = _read(asked)
        except OSError:
            asked.close()
            return None
        pid = os.fork()
        if pid == 0:
            self._forget(asked)
            return request
        for descriptor in request.descriptors:
            os.close(descriptor)
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = Child(pid, asked)
        self._poll.register(pidfd, select.POLLIN)
        self._poll.register(asked.fileno(), select.POLLIN)
        _tell(asked, pid)
        return None

    def _forget(self, asked: socket.socket) -> None:
        """In the child: objects that would close, some time later, a descriptor that is another's by then."""
        for one in (self._listener, asked, *(child.asked for child in self._children.values())):
            one.detach()

    def _ended(self, pidfd: int) -> None:
        child = self._children.pop(pidfd)
        _, status = os.waitpid(child.pid, 0)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        with contextlib.suppress(KeyError):
            self._poll.unregister(child.asked.fileno())
        _tell(child.asked, os.waitstatus_to_exitcode(status))
        child.asked.close()

    def _left(self, connection: int) -> None:
        """Who asked says nothing more, so this is the end of a connection."""
        for child in self._children.values():
            if child.asked.fileno() == connection:
                os.kill(child.pid, signal.SIGKILL)
                self._poll.unregister(connection)


def _read(asked: socket.socket) -> Request:
    """Length, then the folder, the number of words, the words, the environment, with a zero between each."""
    data, descriptors, _, _ = socket.recv_fds(asked, 1 << 20, 3)
    while len(data) < _HEAD or len(data) < _HEAD + int.from_bytes(data[:_HEAD], "big"):
        more = asked.recv(1 << 20)
        if not more:
            raise ConnectionResetError
        data += more
    folder, count, *rest = (os.fsdecode(field) for field in data[_HEAD:].split(b"\0"))
    environment = dict(entry.split("=", 1) for entry in rest[int(count) :] if entry)
    return Request(rest[: int(count)], environment, folder, descriptors)


def _tell(asked: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):
        asked.sendall(b"%d\n" % number)


def _become(request: Request) -> None:
    """Be the process that was asked for."""
    for own, given in enumerate(request.descriptors):
        os.dup2(given, own)
    os.closerange(3, _MOST_DESCRIPTORS)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    time.tzset()
    sys.argv = ["trunkline", *request.words]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=stream.isatty())  # type: ignore[union-attr]


def _import_all() -> None:
    for module in pkgutil.walk_packages(trunkline.__path__, "trunkline."):
        if "migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in _LATER:
        importlib.import_module(name)
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:
        sys.exit(f"trunkline started {threads - 1} threads while it was imported: it cannot be forked")
    gc.collect()
    gc.freeze()  # else each child would copy all pages at its first collection


def _run(path: str) -> Request | None:
    _import_all()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        parent = Parent(listener)
        request = None
        try:
            request = parent.serve()
        finally:
            if request is None:
                parent.end()
    return request


if __name__ == "__main__":
    try:
        wanted = _run(sys.argv[1])
    except KeyboardInterrupt:
        wanted = None
    if wanted is not None:
        _become(wanted)
        main()
