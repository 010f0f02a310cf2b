"""``trunkline completion``: the script that lets a shell complete commands, options, numbers and calls."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

# The script and the words it asks for belong together, and both are typer's.
from typer._completion_classes import completion_init
from typer._completion_shared import get_completion_script

from trunkline.app.cli.help import Commands
from trunkline.app.terminal import Screen


class Shell(StrEnum):
    """The shells that are known."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(
    shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", help="Whose script to print.")],
) -> None:
    """Print the completion script of a shell, for its start-up file."""
    script = get_completion_script(
        prog_name="trunkline", complete_var="_TRUNKLINE_COMPLETE", shell=shell.value
    )
    Screen().line(script)


def prepare() -> None:
    """Make the program answer the scripts' questions."""
    completion_init()


def register(app: Commands) -> None:
    """Put the command into the program."""
    app.command(
        examples=[
            "trunkline completion bash >> ~/.bashrc",
            "source <(trunkline completion bash)",
            "trunkline completion bash > /etc/bash_completion.d/trunkline",
            "trunkline completion fish > ~/.config/fish/completions/trunkline.fish",
        ]
    )(completion)
