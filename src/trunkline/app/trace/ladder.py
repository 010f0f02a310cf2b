"""A trace as a ladder: a column for each party, an arrow for each message, its facts beside it. Pure.

The exchange stands second, whoever spoke first stands left of it. Parties get their column when they first
appear; what finds no room shares the last one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

from trunkline.app.terminal import safe
from trunkline.app.trace.facts import Facts, facts_of
from trunkline.base.messages import TracedMessage

EXCHANGE = "trunkline"
OTHERS = "others"
MAX_PARTIES = 4
_TIME = 18  # "   12.345 +0.001  "
_NARROW, _WIDE = 22, 34
_REMEMBERED = 4096


@dataclass(slots=True)
class Party:
    """Who is reached at an address; ``name`` is the user that it called or answered as."""

    address: str
    name: str = ""


class Ladder:
    """Turns messages, in the order of their times, into lines.

    ``width`` is the terminal's, in columns; facts go beside the ladder and may be wider.
    """

    def __init__(self, width: int = 120) -> None:
        self._gap = max(_NARROW, min(_WIDE, (width - _TIME - 30) // 2))
        self._parties: list[Party] = []
        self._started_at: float | None = None
        self._last_at = 0.0
        self._seen: OrderedDict[tuple[bool, str, str], None] = OrderedDict()

    def lines(self, message: TracedMessage) -> Iterator[Text]:
        """The lines of one message: its arrow, after the heading when a party is new."""
        facts = facts_of(message.data.encode("latin-1"))
        column, named = self._column(message, facts)
        if named:
            yield from self._heading()
        yield self._arrow(message, facts, column)

    def _column(self, message: TracedMessage, facts: Facts) -> tuple[int, bool]:
        """The party's column, and whether the heading has to be told again."""
        name = _name_of(message, facts)
        for index, party in enumerate(self._parties):
            if party.address == message.remote:
                learnt = bool(name) and not party.name
                party.name = party.name or name
                return index, learnt
        if len(self._parties) < MAX_PARTIES:
            self._parties.append(Party(message.remote, name))
            return len(self._parties) - 1, True
        last = self._parties[-1]
        known = last.address == OTHERS
        last.address, last.name = OTHERS, ""
        return MAX_PARTIES - 1, not known

    # Lines

    def _heading(self) -> Iterator[Text]:
        columns = self._columns()
        yield Text("")
        for parts in zip(*((party.name, party.address) for party in columns), strict=True):
            line = " " * (_TIME - self._gap // 2)
            line += "".join(safe(part)[: self._gap - 2].center(self._gap) for part in parts)
            yield Text(line.rstrip(), style="bold")

    def _columns(self) -> list[Party]:
        first, *rest = self._parties
        return [first, Party("", EXCHANGE), *rest]

    def _arrow(self, message: TracedMessage, facts: Facts, party: int) -> Text:
        column = 0 if party == 0 else party + 1
        left, right = min(column, 1), max(column, 1)
        rightwards = (column < 1) == message.incoming
        line = self._clock(message.at)
        for gap in range(len(self._parties)):
            if gap == left:
                line.append("\N{BOX DRAWINGS LIGHT VERTICAL}", "dim")
                line.append_text(self._shaft((right - left) * self._gap - 1, facts, rightwards))
            elif not left < gap < right:
                line.append("\N{BOX DRAWINGS LIGHT VERTICAL}".ljust(self._gap), "dim")
        line.append("\N{BOX DRAWINGS LIGHT VERTICAL}  ", "dim")
        notes = [*facts.notes, *self._remarks(message, party)]
        line.append(safe(", ".join(notes)), "dim")
        return line

    def _shaft(self, room: int, facts: Facts, rightwards: bool) -> Text:
        label = f" {safe(facts.label)[: room - 6]} "
        dash = "\N{BOX DRAWINGS LIGHT HORIZONTAL}"
        shaft = label.center(room - 1, dash)
        text = Text(f"{shaft}>" if rightwards else f"<{shaft}")
        text.stylize(_style(facts))
        return text

    def _clock(self, at: float) -> Text:
        if self._started_at is None:
            self._started_at = self._last_at = at
        since, delta = at - self._started_at, at - self._last_at
        self._last_at = at
        return Text(f"{since:9.3f} {delta:+.3f}".ljust(_TIME)[:_TIME], style="dim")

    def _remarks(self, message: TracedMessage, party: int) -> Iterator[str]:
        if self._parties[party].address == OTHERS:
            yield f"with {message.remote}"
        if self._is_again(message):
            yield "sent again"

    def _is_again(self, message: TracedMessage) -> bool:
        key = (message.incoming, message.remote, message.data)
        again = key in self._seen
        self._seen[key] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return again


def _name_of(message: TracedMessage, facts: Facts) -> str:
    """Requests name who sends them (From) and for whom they are (To); responses the same, seen backwards."""
    request = facts.status == 0
    return facts.sender if request == message.incoming else facts.target


def _style(facts: Facts) -> str:
    if facts.status == 0:
        return "bold cyan"
    return "green" if 200 <= facts.status < 300 else "yellow" if facts.status < 200 else "red"


def ladder_text(messages: Sequence[TracedMessage], width: int = 120) -> str:
    """A whole ladder without colours."""
    ladder = Ladder(width)
    return "\n".join(line.plain.rstrip() for message in messages for line in ladder.lines(message))
