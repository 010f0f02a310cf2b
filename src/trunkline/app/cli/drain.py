"""``trunkline drain``: no new calls, those that are up go on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.status import Status as Spinner

from trunkline.app.cli.asking import Asker, exchange
from trunkline.app.cli.exit_codes import ExitCode
from trunkline.app.cli.help import Commands
from trunkline.app.cli.options import Data, Json, span
from trunkline.app.terminal import Screen
from trunkline.base.messages import Drain, DrainState, Status

LOOK_S = 0.5


def drain(
    undo: Annotated[bool, typer.Option("--undo", help="Take new calls again.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Return when the last call has ended.")] = False,
    within: Annotated[
        float | None,
        typer.Option(
            parser=span,
            metavar="TIME",
            help="With --wait: give up after so long, such as 10m (exit code 1).",
        ),
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Take no new calls; those that are up go on. New ones get 503 with Retry-After, and so do OPTIONS.

    Registrations go on too.
    """
    if undo and wait:
        raise typer.BadParameter("--undo takes calls again, there is nothing to --wait for")
    if within is not None and not wait:
        raise typer.BadParameter("--within says how long to --wait: give both")
    screen = Screen()
    with exchange(data) as asker:
        state = asker.ask(Drain(undo=undo))
        if wait:
            state = _wait(screen, asker, state, within)
    if as_json:
        screen.json({"draining": state.draining, "calls": state.calls})
    elif undo:
        screen.line("new calls are taken again")
    elif wait and not state.calls:
        screen.line("the last call has ended" if state.draining else "draining was undone by somebody else")
    else:
        screen.line(f"no new calls; {state.calls} are up (trunkline drain --undo takes calls again)")
    if wait and (state.calls or not state.draining):
        raise typer.Exit(ExitCode.FAILED)


def _wait(screen: Screen, asker: Asker, state: DrainState, within: float | None) -> DrainState:
    """Until no call is left, somebody undoes it, or time is up."""
    end = None if within is None else time.monotonic() + within
    with _progress(screen) as progress:
        while state.draining and state.calls and (end is None or time.monotonic() < end):
            progress.tell(state.calls)
            time.sleep(LOOK_S)
            now = asker.ask(Status())
            state = DrainState(draining=now.state in {"draining", "stopping"}, calls=now.calls)
    return state


class _Progress:
    """How many calls are up: a line that changes on a terminal, a line for each change elsewhere."""

    def __init__(self, screen: Screen, spinner: Spinner | None) -> None:
        self._screen = screen
        self._spinner = spinner
        self._last = -1

    def tell(self, calls: int) -> None:
        text = f"waiting for {calls} {'call' if calls == 1 else 'calls'} to end"
        if self._spinner is not None:
            self._spinner.update(text)
        elif calls != self._last:
            self._screen.note(text)
        self._last = calls


@contextmanager
def _progress(screen: Screen) -> Iterator[_Progress]:
    if not screen.err.is_terminal:
        yield _Progress(screen, None)
        return
    with screen.err.status("waiting") as spinner:
        yield _Progress(screen, spinner)


def register(app: Commands) -> None:
    """Put the command into the program."""
    app.command(
        examples=["trunkline drain", "trunkline drain --wait --within 10m", "trunkline drain --undo"]
    )(drain)
