"""The command line: ``trunkline COMMAND``."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from trunkline import __version__
from trunkline.app.cli import (
    backup,
    ban,
    check,
    completion,
    drain,
    extension,
    live,
    log,
    past,
    phone,
    recording,
    reload,
    tenant,
    trace,
    up,
)
from trunkline.app.cli.csv_file import BadFile
from trunkline.app.cli.exit_codes import ExitCode
from trunkline.app.cli.help import Commands, Group, complaint
from trunkline.app.control_client import NotRunning
from trunkline.app.terminal import Screen
from trunkline.base.errors import ConfigError, TrunklineError
from trunkline.base.messages import Refused

PANELS: Mapping[str, Sequence[str]] = {
    "The exchange": ("up", "check", "status", "reload", "log", "drain", "stop"),
    "Who may call": ("extension", "tenant", "registrations", "ban"),
    "Calls": ("calls", "hangup", "records", "explain", "trace", "recording"),
    "Backups": ("backup", "restore"),
    "Tools": ("phone", "completion", "version"),
}


class Program(Group):
    """The one place where errors become words and exit codes."""

    panels = PANELS

    def main(self, *args: Any, **settings: Any) -> Any:
        alone = settings.get("standalone_mode", True)
        settings["standalone_mode"] = False
        if not alone:
            return super().main(*args, **settings)
        try:
            code = super().main(*args, **settings)
        except typer.Abort:
            code = ExitCode.INTERRUPTED
        except typer.TyperException as error:
            code = complain(Screen(), error)
        sys.exit(code)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except TrunklineError as error:
            raise typer.Exit(report(Screen(), error)) from None
        except BrokenPipeError:  # whoever read our output has seen enough
            raise
        except OSError as error:
            Screen().error(f"{error.filename}: {error.strerror}" if error.filename else str(error))
            raise typer.Exit(ExitCode.FAILED) from None


def complain(screen: Screen, error: Any) -> ExitCode:
    """A wrong call of a command: what is wrong with it, and how it is called; without any words, its help."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return ExitCode.USAGE
    what, usage = complaint(error)
    screen.error(what)
    screen.note(usage)
    return ExitCode.USAGE


def report(screen: Screen, error: TrunklineError) -> ExitCode:
    """Say what went wrong and what to do next; the exit code."""
    if isinstance(error, NotRunning):
        screen.error(str(error))
        screen.note("start one: trunkline up (or name its data folder with --data)")
        return ExitCode.NOT_RUNNING
    if isinstance(error, ConfigError):
        for line in str(error).splitlines():
            screen.error(line)
        return ExitCode.USAGE
    if isinstance(error, BadFile):
        for line in error.lines():
            screen.error(line)
        screen.note("nothing was imported")
        return ExitCode.FAILED
    screen.error(error.problem.detail if isinstance(error, Refused) else str(error))
    if isinstance(error, Refused) and error.problem.hint:
        screen.note(error.problem.hint)
    return ExitCode.FAILED


app = Commands(
    "A telephone exchange in one program: registrar, B2BUA and media engine.",
    group=Program,
    name="trunkline",
    invoke_without_command=True,
    epilog="Each command has a page of its own: trunkline COMMAND --help.\n"
    "Exit codes: 0 done, 1 refused or failed, 2 wrong option, file or setting, 3 no exchange is running,\n"
    "130 interrupted by Ctrl-C.",
)


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Options of the program itself."""
    if version:
        Screen().line(f"trunkline {__version__}")
        raise typer.Exit


up.register(app)
app.add_typer(extension.app, name="extension")
app.add_typer(tenant.app, name="tenant")
app.add_typer(ban.app, name="ban")
live.register(app)
check.register(app)
reload.register(app)
drain.register(app)
app.add_typer(log.app, name="log")
app.add_typer(recording.app, name="recording")
past.register(app)
trace.register(app)
app.add_typer(phone.app, name="phone")
backup.register(app)
completion.register(app)


def main() -> None:
    """Entry point of the ``trunkline`` program."""
    if "_TRUNKLINE_COMPLETE" in os.environ:
        completion.prepare()
    app(prog_name="trunkline")
