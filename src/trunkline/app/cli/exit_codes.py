"""Exit codes of every command."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """0 is done, 1 refused or failed, 2 a wrong option, file or setting, 3 no exchange is running."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_RUNNING = 3
