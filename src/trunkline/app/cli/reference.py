"""``docs/reference/commands.md``, generated from the commands themselves.

``python -m trunkline.app.cli.reference`` writes it to standard output.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import typer
from typer.main import get_command

from trunkline.app.cli import app

_INTRO = """# Commands

This page is generated from the commands (`make docs`).

Every command finds the exchange by its data folder: `--data DIR`, else `$TRUNKLINE_DATA`, else `./data` when
it exists, else `$XDG_DATA_HOME/trunkline`. While the exchange runs, commands speak to it over the Unix socket
`control.sock` in that folder; `extension`, `records` and `explain` also work when it does not run.

`--tenant NAME`, else `$TRUNKLINE_TENANT`, names the tenant, else it is the one called "default"
([tenancy](../topics/tenancy.md)).

On a terminal commands print tables in colour, in a pipe or where `TERM` is `dumb` plain columns, and with
`--json` JSON. `NO_COLOR` takes the colour away, `FORCE_COLOR` gives it to a pipe. A terminal too narrow for a
table gets a block of lines for each row. Data go to standard output, everything else to standard error.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | refused or failed; standard error says why, and what to do next |
| 2 | a wrong option, file or setting |
| 3 | no exchange is running with this data folder |
| 130 | interrupted by Ctrl-C |

`trunkline completion bash` (or `zsh`, `fish`) prints the script for the shell, and `trunkline
--install-completion` installs it. It completes commands and options, and while the exchange runs also
extensions, tenants and calls.
"""


def reference() -> str:
    """The whole page."""
    return "\n".join([_INTRO, *_sections(get_command(app), "trunkline")])


def _sections(command: Any, name: str) -> Iterator[str]:
    """A section per command, in the order of ``--help``; of a group when it does something by itself."""
    if getattr(command, "invoke_without_command", False):
        yield _section(command, name)
    for child in getattr(command, "commands", {}).values():
        yield from _sections(child, f"{name} {child.name}")
    if not hasattr(command, "commands"):
        yield _section(command, name)


# The tests run the commands of the documentation unless a mark says why not.
_NOT_RUN = "<!-- not run: it shows how the command is called; other pages run it -->"


def _section(command: Any, name: str) -> str:
    context = typer.Context(command, info_name=name)
    lines = [f"## {name}", "", f"`{' '.join([name, *command.collect_usage_pieces(context)])}`", ""]
    lines += [" ".join((command.help or "").split()), ""]
    rows = [row for parameter in command.params if (row := _row(parameter)) is not None]
    if rows:
        lines += ["| argument or option | meaning |", "|---|---|", *rows, ""]
    shown = [line.strip() for line in (command.epilog or "").splitlines() if line.startswith("  ")]
    if shown:
        lines += [_NOT_RUN, "```console", *(f"$ {line}" for line in shown), "```", ""]
    return "\n".join(lines)


def _row(parameter: Any) -> str | None:
    if parameter.name == "help":
        return None
    names = parameter.opts if parameter.param_type_name == "option" else [parameter.metavar]
    takes = f" {parameter.metavar}" if parameter.param_type_name == "option" and parameter.metavar else ""
    shown = ", ".join(str(name) for name in names) + takes
    return f"| `{_in_cell(shown)}` | {_in_cell(parameter.help or '')} |"


def _in_cell(text: str) -> str:
    """A bar would end the cell."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(reference())
