"""``docs/reference/commands.md``, generated from the commands themselves.

``python -m trunkline.app.cli.reference`` writes it to standard output.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import typer
from typer.main import get_command

from trunkline.app.cli import PANELS, app
from trunkline.app.cli.help import row_of

_INTRO = """# Commands

This page is generated from the commands (`make docs`).

`trunkline COMMAND --help` shows the same at a terminal.

Every command finds the exchange by its data folder: `--data DIR`, else `$TRUNKLINE_DATA`, else `./data` when
it exists, else `$XDG_DATA_HOME/trunkline` (`~/.local/share/trunkline`). While the exchange runs, commands speak to
it over the Unix socket `control.sock` in that folder; `extension`, `tenant`, `records`, `explain`, `backup` and
`trace CALL-ID` also work when it does not run.

`--tenant NAME`, else `$TRUNKLINE_TENANT`, names the tenant, else it is the one called "default"
([tenancy](../topics/tenancy.md)).

| option | written as |
|---|---|
| `TIME` | seconds, or a number with its unit: `90`, `0.5`, `90s`, `30m`, `12h`, `7d` |
| `WHEN` | local time, `2026-11-21T20:30`, or an age: `90m`, `2h`, `3d`, `1w` |
| `CALL-ID` | the id that `trunkline calls` and `trunkline records` show, or as much of its beginning as no other has |

On a terminal commands print tables in colour, in a pipe or where `TERM` is `dumb` plain columns, and with
`--json` JSON. `NO_COLOR` takes the colour away, `FORCE_COLOR` gives it to a pipe. A terminal too narrow for a
table gets a block of lines for each row. Data go to standard output, everything else to standard error.

In JSON times are seconds since 1970 (keys that end in `_at`, and `time`), lengths of time are seconds (`_s`) or
milliseconds (`_ms`), and what is not there is `null` or empty. Keys may be added; those that stand in a reply
keep their names.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | refused or failed; standard error says why, and what to do next |
| 2 | a wrong option, file or setting |
| 3 | no exchange is running with this data folder |
| 130 | interrupted by Ctrl-C |

`trunkline phone` has [exit codes of its own](../how-to/headless-phone.md#in-scripts).
"""


def reference() -> str:
    """The whole page."""
    program = get_command(app)
    topics = (f"## {title}\n\n{_topic(program, names)}" for title, names in PANELS.items())
    return "\n".join([_INTRO, *topics])


def _topic(program: Any, names: Sequence[str]) -> str:
    sections = (
        section for name in names for section in _sections(program.commands[name], f"trunkline {name}")
    )
    return "\n".join(sections)


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
    lines = [f"### {name}", "", f"`{' '.join([name, *command.collect_usage_pieces(context)])}`", ""]
    lines += [" ".join((command.help or "").split()), ""]
    rows = [_row(parameter) for parameter in command.params]
    if rows:
        lines += ["| argument or option | meaning |", "|---|---|", *rows, ""]
    epilog = command.epilog or ""
    shown = [line.strip() for line in epilog.splitlines() if line.startswith("  ")]
    lines += [_NOT_RUN, "```console", *(f"$ {line}" for line in shown), "```", ""]
    if notes := epilog.partition("\n\n")[2]:
        lines += [" ".join(notes.split()), ""]
    return "\n".join(lines)


def _row(parameter: Any) -> str:
    written, meaning = row_of(parameter)
    return f"| `{_in_cell(written)}` | {_in_cell(meaning)} |"


def _in_cell(text: str) -> str:
    """A bar would end the cell."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(reference())
