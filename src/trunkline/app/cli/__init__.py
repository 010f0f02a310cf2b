"""The command line: ``trunkline COMMAND``."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from trunkline.app.cli import (
    backup,
    bans,
    check,
    completion,
    drain,
    extension,
    live,
    log,
    past,
    phone,
    record,
    reload,
    tenant,
    trace,
    up,
)
from trunkline.app.cli.csv_file import BadFile
from trunkline.app.cli.exit_codes import ExitCode
from trunkline.app.cli.options import help_form
from trunkline.app.control_client import NotRunning
from trunkline.app.terminal import Screen
from trunkline.base.errors import ConfigError, TrunklineError
from trunkline.base.messages import Refused


class Commands(TyperGroup):
    """The one place where errors become words and exit codes."""

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


app = typer.Typer(
    cls=Commands,
    name="trunkline",
    rich_markup_mode=help_form(),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A telephone exchange in one program: registrar, B2BUA and media engine.",
    epilog="Exit codes: 0 done, 1 refused or failed, 2 wrong option or setting, 3 no exchange is running,"
    " 130 interrupted by Ctrl-C.",
)
up.register(app)
app.add_typer(extension.app, name="extension")
app.add_typer(tenant.app, name="tenant")
app.add_typer(bans.app, name="bans")
live.register(app)
check.register(app)
reload.register(app)
drain.register(app)
app.add_typer(log.app, name="log")
app.add_typer(record.app, name="record")
past.register(app)
trace.register(app)
app.add_typer(phone.app, name="phone")
backup.register(app)
completion.register(app)


def main() -> None:
    """Entry point of the ``trunkline`` program."""
    app(prog_name="trunkline")
