"""Stories and dry runs for people: steps under the headings of their stages, what to do below each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from rich.table import Table
from rich.text import Text

from trunkline.app.render import RECORDS, clock, count_of, remaining
from trunkline.app.terminal import Column, Screen, safe
from trunkline.base.messages import BoundRow, Explanation, RegisterHistory, StoryStep

BOUND = (
    Column[BoundRow]("CONTACT", lambda row: row.contact, "cyan"),
    Column[BoundRow]("FROM", lambda row: row.received),
    Column[BoundRow]("VIA", lambda row: row.transport),
    Column[BoundRow]("SINCE", lambda row: clock(row.registered_at)),
    Column[BoundRow]("REFRESHED", lambda row: clock(row.refreshed_at)),
    Column[BoundRow]("EXPIRES", lambda row: remaining(row.expires_s), justify="right"),
    Column[BoundRow]("CALLS GO", lambda row: "down its way" if row.by_flow else "to its contact"),
    Column[BoundRow]("PHONE", lambda row: row.user_agent, "dim"),
)


def show_explanation(screen: Screen, explanation: Explanation) -> None:
    """The story of a call, or of a call that would be."""
    screen.line(safe(explanation.subject), "bold")
    screen.line("")
    show_steps(screen, explanation.steps, timed=not explanation.dry_run, plain=explanation.dry_run)
    screen.line("")
    _show_outcome(screen, explanation)
    if explanation.legs:
        screen.line("")
        screen.table(RECORDS, explanation.legs, "")


def _show_outcome(screen: Screen, explanation: Explanation) -> None:
    status = f"{explanation.status} " if explanation.status else ""
    text = explanation.text.removeprefix(status)
    style = "green" if explanation.status < 300 and not explanation.hint else "yellow"
    screen.line(f"{status}{safe(text)} ({safe(explanation.outcome)})", style)


def show_steps(
    screen: Screen, steps: Iterable[StoryStep], *, timed: bool = True, plain: bool = False
) -> None:
    """One line for each step, under its stage: when, what code, in words, and what to do.

    Times are left out unless ``timed``; ``plain`` leaves out the data, for steps whose words say all.
    """
    for stage, some in groupby(steps, key=lambda step: step.stage):
        if stage:
            screen.line(stage, "bold")
        if screen.fancy:
            screen.show(_grid(some, timed=timed, plain=plain))
        else:
            for line in _lines(some, timed=timed, plain=plain):
                screen.line(line)


def _lines(steps: Iterable[StoryStep], *, timed: bool, plain: bool) -> Iterator[str]:
    for step in steps:
        when = f"{step.ms:>8} ms  " if timed else "  "
        yield f"{when}{step.code:<24}  {safe(step.text)}{'' if plain else _data(step)}"
        if step.hint:
            yield f"{' ' * len(when)}{'':<24}  what to do: {safe(step.hint)}"


def _grid(steps: Iterable[StoryStep], *, timed: bool, plain: bool) -> Table:
    grid = Table.grid(padding=(0, 2), pad_edge=True)
    if timed:
        grid.add_column(justify="right", style="dim", no_wrap=True, min_width=8)
    grid.add_column(style="cyan", no_wrap=True, min_width=24)
    grid.add_column(overflow="fold")
    for step in steps:
        hint = f"\nwhat to do: {safe(step.hint)}" if step.hint else ""
        text = Text.assemble(safe(step.text), ("" if plain else _data(step), "dim"), (hint, "yellow"))
        when = [f"{step.ms} ms"] if timed else []
        grid.add_row(*when, safe(step.code), text)
    return grid


def _data(step: StoryStep) -> str:
    pairs = " ".join(f"{key}={safe(str(value))}" for key, value in step.data.items())
    return f"  [{pairs}]" if pairs else ""


def show_history(screen: Screen, history: RegisterHistory) -> None:
    """How a number registers: where it is reached, then the last attempts."""
    if history.bound:
        screen.line(safe(f"{history.number} is registered"), "bold")
        screen.table(BOUND, history.bound, "")
    else:
        screen.line(safe(f"{history.number} is not registered"), "bold")
    for note in history.notes:
        screen.line(safe(note), "yellow")
    for attempt in history.attempts:
        screen.line("")
        often = f", {count_of(attempt.times, 'time')}" if attempt.times > 1 else ""
        screen.line(f"{clock(attempt.at)}  {safe(attempt.explanation.subject)}{often}", "bold")
        show_steps(screen, attempt.explanation.steps, timed=False)
    if not history.attempts:
        screen.line("no attempt is remembered")
