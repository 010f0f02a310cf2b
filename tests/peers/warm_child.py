"""``trunkline`` where tests run many commands: it asks for a process (``tests.peers.warm``) and ends as that does.

It is a program of its own, and imports little: PROGRAM SOCKET WORDS...
"""

from __future__ import annotations

import os
import signal
import socket
import sys

_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def ask(
    path: str, words: list[str], folder: str, environment: dict[str, str], files: list[int]
) -> socket.socket:
    """Have a process started; the connection tells its id and later its exit code, each on a line."""
    fields = [folder, str(len(words)), *words, *(f"{name}={value}" for name, value in environment.items())]
    data = b"\0".join(os.fsencode(field) for field in fields)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    data = len(data).to_bytes(4, "big") + data
    sent = socket.send_fds(connection, [data], files)
    connection.sendall(data[sent:])
    return connection


def _main() -> None:
    path, *words = sys.argv[1:]
    with ask(path, words, os.getcwd(), dict(os.environ), [0, 1, 2]).makefile("r") as lines:  # noqa: PTH109
        pid = int(lines.readline())
        for number in _FORWARDED:
            signal.signal(number, lambda number, _: os.kill(pid, number))
        code = int(lines.readline())
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    _main()
