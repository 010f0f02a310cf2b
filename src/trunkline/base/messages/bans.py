"""Bans: who is not listened to. They concern the exchange; the ``tenant`` field means nothing."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.base.message_codec import Message, message
from trunkline.base.messages.request import PAGE, Command, Query


@dataclass(frozen=True, slots=True)
class BanRow:
    """A banned ``source`` (an IPv4 address or an IPv6 /64): ``code`` says why, ``expires_s`` for how long still."""

    source: str
    code: str
    banned_at: float
    expires_s: float


@message("ban.page")
class BanList(Message):
    """Bans, whose end comes first, first."""

    rows: tuple[BanRow, ...] = ()
    next: str | None = None


@message("ban.list")
class ListBans(Query[BanList]):
    """Who is banned now."""

    limit: int = PAGE
    after: str | None = None


@message("ban.added")
class BanAdded(Message):
    """The ban as it stands."""

    row: BanRow


@message("ban.add")
class AddBan(Command[BanAdded]):
    """Ban by hand for ``for_s`` seconds (1..2592000). Refused with ``ban.invalid`` or ``ban.trusted``."""

    address: str
    for_s: float


@message("ban.cleared")
class BansCleared(Message):
    """Whose bans were lifted."""

    sources: tuple[str, ...] = ()


@message("ban.clear")
class ClearBans(Command[BansCleared]):
    """Lift the ban of one address, or all. Refused with ``ban.invalid`` or ``ban.unknown``."""

    address: str | None = None
