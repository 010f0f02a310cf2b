"""The fences of the documentation and what their marks ask for.

A mark is an HTML comment on the line above a fence, so that no reader sees it:

    <!-- run -->                    run its commands and compare what they print
    <!-- run, exit 2 -->            the same; each command must end with this status
    <!-- run in the background -->  start its one command, wait for its output, keep it until the page ends
    <!-- write NAME -->             write the fence into a file of that name, for commands further down
    <!-- not run: REASON -->        leave it alone

A shell fence without a mark is an error: nothing is forgotten by accident.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

SHELLS = frozenset({"console", "sh", "bash", "shell", "shell-session"})

_OPEN = re.compile(r"(?P<indent> *)(?P<ticks>`{3,}|~{3,})(?P<language>[\w+-]*)")
_COMMENT = re.compile(r"\s*<!--\s*(?P<mark>(?:run|not run|write)\b.*?)\s*-->\s*")
_RUN = re.compile(r"run(?:, exit (?P<exit>\d+)|(?P<background> in the background))?")
_WRITE = re.compile(r"write (?P<name>[\w.-]+)")
_NOT_RUN = re.compile(r"not run: (?P<reason>\S.*)")

Kind = Literal["run", "background", "write", "not run", "unmarked"]


class MarkError(ValueError):
    """A mark that cannot be understood, or stands where it means nothing."""


@dataclass(frozen=True, slots=True)
class Fence:
    """One fence. ``line`` is that of its opening, 1-based; ``detail`` is a file's name or a reason."""

    line: int
    language: str
    text: str
    kind: Kind = "unmarked"
    detail: str = ""
    exit_code: int = 0

    @property
    def is_shell(self) -> bool:
        return self.language in SHELLS


@dataclass(frozen=True, slots=True)
class Command:
    """A command and the lines it must print (``...`` stands for anything); ``None``: anything at all."""

    line: int
    text: str
    expected: str | None


def read_fences(page: str) -> list[Fence]:
    """All fences of a page; raises ``MarkError`` with the line for a mark that is wrong."""
    fences, mark = [], ""
    lines = iter(enumerate(page.splitlines(), start=1))
    for number, line in lines:
        comment = _COMMENT.fullmatch(line)
        opening = _OPEN.match(line)
        if mark and not opening:
            raise MarkError(f"line {number}: the mark <!-- {mark} --> must stand right above a fence")
        if opening:
            body = _body(lines, opening["indent"], opening["ticks"])
            fences.append(_marked(Fence(number, opening["language"], body), mark))
            mark = ""
        elif comment:
            mark = comment["mark"]
    return fences


def commands(fence: Fence) -> list[Command]:
    """What a shell fence runs: each ``$`` line of a console with its output, else the whole as one script."""
    if fence.language not in {"console", "shell-session"}:
        return [Command(fence.line + 1, fence.text, None)]
    found: list[Command] = []
    text, output, start, more = "", list[str](), 0, False
    for number, line in enumerate(fence.text.splitlines(), start=fence.line + 1):
        if more:
            text += "\n" + line.removeprefix("> ")
        elif line.startswith("$ "):
            if text:
                found.append(_command(start, text, output))
            text, output, start = line[2:], [], number
        elif text:
            output.append(line)
        elif line.strip():
            raise MarkError(f"line {number}: a console fence starts with a line '$ COMMAND'")
        more = text.endswith("\\") and not output
    return [*found, _command(start, text, output)] if text else found


def matches(expected: str, actual: str) -> bool:
    """Whether ``actual`` is what was expected: ``...`` in a line is any text, alone in a line any lines."""
    pattern = ""
    for line in expected.strip("\n").splitlines():
        if line.strip() == "...":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += re.escape(line.rstrip()).replace(re.escape("..."), ".*") + "\n"
    lines = "".join(line.rstrip() + "\n" for line in actual.strip("\n").splitlines())
    return re.fullmatch(pattern, lines) is not None


def _body(lines: Iterator[tuple[int, str]], indent: str, ticks: str) -> str:
    body = []
    for _, line in lines:
        if line.strip().startswith(ticks) and set(line.strip()) == {ticks[0]}:
            break
        body.append(line.removeprefix(indent))
    return "\n".join(body)


def _marked(fence: Fence, mark: str) -> Fence:
    if not mark:
        return fence
    run, write, skip = _RUN.fullmatch(mark), _WRITE.fullmatch(mark), _NOT_RUN.fullmatch(mark)
    parts = (fence.line, fence.language, fence.text)
    if skip:
        return Fence(*parts, "not run", skip["reason"])
    if write and not fence.is_shell:
        return Fence(*parts, "write", write["name"])
    if run and fence.is_shell:
        return Fence(*parts, "background" if run["background"] else "run", "", int(run["exit"] or 0))
    raise MarkError(
        f"line {fence.line}: cannot understand <!-- {mark} --> above a {fence.language or 'plain'} fence"
    )


def _command(line: int, text: str, output: list[str]) -> Command:
    expected = "\n".join(output).strip("\n")
    return Command(line, text, expected or None)
