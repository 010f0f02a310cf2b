"""Exit codes of every command."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """0 is done, 1 refused or failed, 2 a wrong option, file or setting, 3 no exchange is running.

    130 is Ctrl-C, as a shell has it: 128 and the number of SIGINT.
    """

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_RUNNING = 3
    INTERRUPTED = 130
