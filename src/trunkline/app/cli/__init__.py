"""The command line: ``trunkline COMMAND``."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

import typer

from trunkline import __version__
from trunkline.app.cli.errors import complain, report, report_system
from trunkline.app.cli.exit_codes import ExitCode
from trunkline.app.cli.help import Commands, Group
from trunkline.app.cli.places import Places
from trunkline.app.garbage import collect_seldom
from trunkline.app.terminal import Screen
from trunkline.base.errors import TrunklineError

PANELS: Mapping[str, Sequence[str]] = {
    "The exchange": ("up", "check", "status", "reload", "log", "drain", "media", "stop"),
    "Who may call": ("extension", "tenant", "devices", "registrations", "bans", "trunks"),
    "Calls": ("calls", "hangup", "records", "explain", "trace", "recording", "conference"),
    "Texts and lamps": ("texts", "subscriptions", "mwi"),
    "Backups": ("backup", "restore"),
    "Tools": ("demo", "phone", "dev", "secret", "completion", "version"),
}


class Program(Group):
    """The one place where errors become words and exit codes."""

    panels = PANELS

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = cast("dict[str, Any]", Places())  # typer writes nothing into it after this

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
            raise typer.Exit(report_system(Screen(), error)) from None


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


def main() -> None:
    """Entry point of the ``trunkline`` program."""
    collect_seldom()
    if "_TRUNKLINE_COMPLETE" in os.environ:
        from trunkline.app.cli import completion  # noqa: PLC0415  (few starts need it)

        completion.prepare()
    app(prog_name="trunkline")
