"""Trunks: whom calls go out through, and how they are."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.base.message_codec import Message, message
from trunkline.base.messages.request import PAGE, Query


@dataclass(frozen=True, slots=True)
class TrunkRow:
    """``state`` in a word, ``since`` then; ``next_try_s`` seconds until it is asked next, None when it is not."""

    name: str
    host: str
    state: str
    since: float
    next_try_s: float | None = None
    why: str = ""


@message("trunk.page")
class TrunkList(Message):
    """Trunks in the order of the settings."""

    rows: tuple[TrunkRow, ...] = ()
    next: str | None = None


@message("trunk.list")
class ListTrunks(Query[TrunkList]):
    """The trunks of a tenant."""

    limit: int = PAGE
    after: str | None = None
