"""Texts that wait for their readers: how many and since when, never what they say."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.base.message_codec import Message, message
from trunkline.base.messages.request import PAGE, Command, Query


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """``count`` texts wait for ``number`` since ``oldest_at``, Unix seconds; ``why`` is what was answered last."""

    number: str
    count: int
    oldest_at: float
    attempts: int
    why: str


@message("text.page")
class WaitingList(Message):
    """Sorted by number."""

    rows: tuple[WaitingRow, ...] = ()
    next: str | None = None


@message("text.list")
class ListWaiting(Query[WaitingList]):
    """For whom texts wait."""

    limit: int = PAGE
    after: str | None = None


@message("text.dropped")
class TextsDropped(Message):
    """How many were forgotten."""

    number: str
    count: int


@message("text.drop")
class DropTexts(Command[TextsDropped]):
    """Forget the texts that wait for a number. Refused with ``text.none_waiting``."""

    number: str
