"""Errors as words and exit codes: what was wrong, and what to do next."""

from __future__ import annotations

import errno
import os
import pwd
import shlex
from pathlib import Path
from typing import Any

from trunkline.app.cli.bad_file import BadFile
from trunkline.app.cli.exit_codes import ExitCode
from trunkline.app.cli.help import complaint
from trunkline.app.control_client import NotAllowed, NotRunning
from trunkline.app.control_wire import AlreadyRunning
from trunkline.app.data_folder import SOCKET_NAME
from trunkline.app.terminal import Screen
from trunkline.base.errors import ConfigError, TrunklineError
from trunkline.base.messages import Refused

SERVICE_FOLDER = Path("/var/lib/trunkline")  # of deploy/trunkline.service and of packages
_WRONG_VALUE = 400


def report(screen: Screen, error: TrunklineError) -> ExitCode:
    """Say what went wrong and what to do next; the exit code."""
    if isinstance(error, Refused):
        screen.error(error.problem.detail)
        if error.problem.hint:
            screen.note(error.problem.hint)
        return ExitCode.USAGE if error.problem.status == _WRONG_VALUE else ExitCode.FAILED
    for line in _lines(error):
        screen.error(line)
    for note in _notes(error):
        screen.note(note)
    if isinstance(error, NotRunning):
        return ExitCode.NOT_RUNNING
    return ExitCode.USAGE if isinstance(error, ConfigError | BadFile) else ExitCode.FAILED


def report_system(screen: Screen, error: OSError) -> ExitCode:
    """The same for what the system refuses."""
    screen.error(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    if error.errno in {errno.EACCES, errno.EPERM} and error.filename:
        screen.note(_owner_of(Path(os.fsdecode(error.filename))))
    return ExitCode.FAILED


def complain(screen: Screen, error: Any) -> ExitCode:
    """A wrong call of a command: what is wrong with it, and how it is called; without any words, its help."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return ExitCode.USAGE
    what, usage = complaint(error)
    screen.error(what)
    screen.note(usage)
    return ExitCode.USAGE


def _lines(error: TrunklineError) -> list[str]:
    if isinstance(error, BadFile):
        return error.lines()
    return str(error).splitlines()


def _notes(error: TrunklineError) -> list[str]:
    if isinstance(error, NotRunning):
        return [_where_else(error.folder)]
    if isinstance(error, NotAllowed):
        return [_owner_of(error.path)]
    if isinstance(error, AlreadyRunning):
        folder = shlex.quote(str(error.folder))
        return [
            f"stop it first: trunkline stop --data {folder}; or give this one a folder of its own with --data"
        ]
    if isinstance(error, BadFile):
        return ["nothing was imported"]
    return []


def _where_else(folder: Path) -> str:
    """For who forgot ``--data``: the folder of a service, when one runs there."""
    if folder != SERVICE_FOLDER and (SERVICE_FOLDER / SOCKET_NAME).exists():
        return f"one runs with {SERVICE_FOLDER}: --data {SERVICE_FOLDER}, or TRUNKLINE_DATA={SERVICE_FOLDER}"
    missing = "" if folder.is_dir() else ", which does not exist"
    return f"start one: trunkline up; or name its data folder with --data (this is {folder}{missing})"


def _owner_of(path: Path) -> str:
    """Who may: the owner of the first folder above ``path`` that can be looked at."""
    for place in (path, *path.parents):
        try:
            uid = place.stat().st_uid
        except OSError:
            continue
        if uid != os.geteuid():
            name = _name_of(uid)
            return f"{place} belongs to {name}: run this as {name} (sudo -u {name} trunkline ...) or as root"
        break
    return "look at the permissions of the file and of the folders above it"


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
