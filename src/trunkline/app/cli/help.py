"""How commands explain themselves: one plain form of help, wherever it is shown, and one for wrong calls.

A page of help has the usage, what the command does, its arguments and options, and examples; that of a group
has its commands, by topic where there are ``panels``. Titles are bold where a terminal can show it.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

WIDTH = 100  # lines longer than this are hard to read, however wide the terminal is
F = TypeVar("F", bound=Callable[..., Any])


class Command(TyperCommand):
    """A command; its epilog is shown as it is."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        write_help(self, ctx, formatter)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return list(usage_pieces(self))

    def get_help_option(self, ctx: Any) -> Any:
        return _not_given(super().get_help_option(ctx))


class Group(TyperGroup):
    """A group of commands. ``panels`` has a title for each topic, and the commands of it."""

    panels: Mapping[str, Sequence[str]] = {}

    def format_help(self, ctx: Any, formatter: Any) -> None:
        write_help(self, ctx, formatter)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [*usage_pieces(self), self.subcommand_metavar]

    def get_help_option(self, ctx: Any) -> Any:
        return _not_given(super().get_help_option(ctx))

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order of the panels, else as they were added."""
        placed = [name for names in self.panels.values() for name in names]
        return [*placed, *(name for name in self.commands if name not in placed)]


def _not_given(option: Any) -> Any:
    """``--help``, False unless given: for an unknown value typer would load all of pydantic, in every command."""
    if option is not None:
        option.default = False
    return option


class Commands(typer.Typer):
    """Where commands are put into; ``about`` says what they are for."""

    def __init__(self, about: str, *, group: type[Group] = Group, **settings: Any) -> None:
        super().__init__(
            cls=group,
            help=about,
            add_completion=False,
            pretty_exceptions_enable=False,
            rich_markup_mode=None,
            context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDTH},
            **{"no_args_is_help": True, **settings},
        )

    def command(  # type: ignore[override]
        self,
        name: str | None = None,
        *,
        examples: Sequence[str],
        notes: str = "",
    ) -> Callable[[F], F]:
        """A command with at least one example; ``notes`` stand below them."""
        return super().command(name, cls=Command, epilog=epilog_of(examples, notes))


def epilog_of(examples: Sequence[str], notes: str = "") -> str:
    """What stands at the end of a page."""
    lines = ["Examples:", *(f"  {line}" for line in examples)]
    return "\n".join(lines + (["", *wrap(notes, WIDTH)] if notes else []))


def usage_pieces(command: Any) -> Iterator[str]:
    """``[OPTIONS] NUMBER [FILE]``."""
    yield "[OPTIONS]"
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            name = f"{parameter.metavar}{'...' if parameter.nargs != 1 else ''}"
            yield name if parameter.required else f"[{name}]"


def write_help(command: Any, context: Any, formatter: Any) -> None:
    """The whole page."""
    command.format_usage(context, formatter)
    formatter.write_paragraph()
    formatter.write_text(inspect.cleandoc(command.help or ""))
    parameters = command.get_params(context)
    for title, kind in (("Arguments", "argument"), ("Options", "option")):
        rows = [row_of(one) for one in parameters if one.param_type_name == kind]
        _write_rows(formatter, title, rows)
    if isinstance(command, Group):
        _write_commands(command, context, formatter)
    if command.epilog:
        formatter.write_paragraph()
        formatter.write("\n".join(_titled(line) for line in command.epilog.splitlines()) + "\n")


def _write_commands(group: Group, context: Any, formatter: Any) -> None:
    shown = {name: first_sentence(group.commands[name].help or "") for name in group.list_commands(context)}
    for title, names in group.panels.items():
        _write_rows(formatter, title, [(name, shown.pop(name)) for name in names])
    _write_rows(formatter, "Commands", list(shown.items()))


def _write_rows(formatter: Any, title: str, rows: Iterable[tuple[str, str]]) -> None:
    if rows:
        formatter.write_paragraph()
        formatter.write(f"{_titled(f'{title}:')}\n")
        with formatter.indentation():
            formatter.write_dl(rows)


def row_of(parameter: Any) -> tuple[str, str]:
    """How an argument or option is written, and what it means; with its default when it has one to tell."""
    about = parameter.help or ""
    if parameter.param_type_name == "argument":
        return parameter.metavar, about
    names = ", ".join(sorted([*parameter.opts, *parameter.secondary_opts], key=len))
    if parameter.name == "help":
        return names, "Show this page."
    default = parameter.default
    if not parameter.is_flag and default not in {None, "", 0} and "Default" not in about:
        about = (
            f"{about} Default: {default:g}." if isinstance(default, float) else f"{about} Default: {default}."
        )
    return f"{names} {parameter.metavar}" if not parameter.is_flag else names, about


def first_sentence(text: str) -> str:
    """Of a help text, without its full stop."""
    first = " ".join(inspect.cleandoc(text).partition("\n\n")[0].split())
    return first.partition(". ")[0].rstrip(".")


def _titled(line: str) -> str:
    """A line that ends with a colon and begins at the edge is a title."""
    bold = line.endswith(":") and not line.startswith(" ") and at_terminal()
    return typer.style(line, bold=True) if bold else line


def at_terminal() -> bool:
    """Whether standard output is a terminal that knows more than lines."""
    capable = os.environ.get("TERM", "") not in {"dumb", "unknown"}
    return capable and sys.stdout is not None and sys.stdout.isatty()


def complaint(error: Any) -> tuple[str, str]:
    """What a wrong call of a command is answered: what is wrong, and what to do."""
    text = " ".join(error.format_message().split()).removeprefix("Invalid value: ")
    text = text.removeprefix("Invalid value for ").rstrip(".")
    text = text[:1].lower() + text[1:] if text.startswith(("No such", "Missing", "Got", "Option")) else text
    context = getattr(error, "ctx", None)
    return text, "" if context is None else f"{context.get_usage()}  (--help tells more)"
