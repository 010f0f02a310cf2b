"""``trunkline`` for tests that start it often: a process of its own each time, of a program that is imported once.

Most of what a start costs is the import of the program. Here one process of this test run imports it and forks for
each start, as the kernel would make the process anew: the child has its own arguments, environment, folder, files,
and signals, and what it does from ``main()`` on is what the installed command does. That the installed command
imports what it needs is seen where it is started itself: in ``README.md``, ``tests/loopback/test_terminal.py``,
``test_first_start.py``, ``test_image.py``, and others that use ``trunkline_program()``.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import IO

from tests.peers import warm_child

_HERE = Path(__file__).parent
_END_S = 20.0


class WarmProgram:
    """The process that forks; use ``warm_program()``."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="trunkline-warm-"))
        self.socket = self.folder / "socket"
        self._process = subprocess.Popen(
            [sys.executable, "-P", _HERE / "warm_parent.py", self.socket],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n", "the warm program did not start"
        self._write_command()

    @property
    def command(self) -> Path:
        """An executable file named ``trunkline``; it ends as the process that it stands for."""
        return self.folder / "trunkline"

    def end(self) -> None:
        """End it and all that it has started."""
        self._process.communicate(timeout=_END_S)
        shutil.rmtree(self.folder)

    def _write_command(self) -> None:
        words = shlex.join([sys.executable, "-IS", str(_HERE / "warm_child.py"), str(self.socket)])
        self.command.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        self.command.chmod(0o700)


@cache
def warm_program() -> WarmProgram:
    """That of this test run, started when it is first asked for."""
    program = WarmProgram()
    atexit.register(program.end)
    return program


def warm_trunkline() -> str:
    """The path of a command ``trunkline`` that costs no imports."""
    return str(warm_program().command)


class WarmProcess:
    """A running ``trunkline``, as an ``asyncio.subprocess.Process`` without pipes."""

    def __init__(self, pid: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._writer = writer
        self._ending = asyncio.ensure_future(self._follow(reader))

    @classmethod
    async def start(cls, *words: str, output: IO[bytes]) -> WarmProcess:
        """Without standard input; both outputs go into that file."""
        return await cls._of(await asyncio.to_thread(_started, words, output.fileno()))

    @classmethod
    async def _of(cls, connection: socket.socket) -> WarmProcess:
        reader, writer = await asyncio.open_unix_connection(sock=connection)
        return cls(int(await reader.readline()), reader, writer)

    def send_signal(self, number: int) -> None:
        """ProcessLookupError when it has ended."""
        if self.returncode is not None:
            raise ProcessLookupError
        os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Its exit code, or the negative number of the signal that ended it."""
        return await asyncio.shield(self._ending)

    async def _follow(self, reader: asyncio.StreamReader) -> int:
        self.returncode = int(await reader.readline())
        self._writer.close()
        await self._writer.wait_closed()
        return self.returncode


def _started(words: tuple[str, ...], output: int) -> socket.socket:
    with Path(os.devnull).open("rb") as nothing:
        files = [nothing.fileno(), output, output]
        path = str(warm_program().socket)
        return warm_child.ask(path, list(words), str(Path.cwd()), dict(os.environ), files)
