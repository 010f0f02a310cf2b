"""Who watches whom, and for whom messages wait."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.base.message_codec import Message, message
from trunkline.base.messages.request import PAGE, Command, Query


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """``watcher`` watches ``number`` by the package ``event``; ``notified`` counts documents sent."""

    watcher: str
    number: str
    event: str
    contact: str
    transport: str
    since: float
    expires_s: float
    notified: int


@message("subscription.page")
class SubscriptionList(Message):
    """Sorted by watcher, watched number and event."""

    rows: tuple[SubscriptionRow, ...] = ()
    next: str | None = None


@message("subscription.list")
class ListSubscriptions(Query[SubscriptionList]):
    """Who watches, of one extension or of all."""

    number: str | None = None
    limit: int = PAGE
    after: str | None = None


@dataclass(frozen=True, slots=True)
class MailboxRow:
    """Voice messages that wait for ``number``: ``new`` and ``old`` ones, and how many of each are urgent."""

    number: str
    new: int
    old: int
    new_urgent: int = 0
    old_urgent: int = 0


@message("mwi.page")
class MailboxList(Message):
    """Sorted by number."""

    rows: tuple[MailboxRow, ...] = ()
    next: str | None = None


@message("mwi.list")
class ListMailboxes(Query[MailboxList]):
    """For whom messages wait."""

    limit: int = PAGE
    after: str | None = None


@message("mwi.state")
class MailboxState(Message):
    """The counts as they stand; ``watchers`` is how many subscriptions were told."""

    row: MailboxRow
    watchers: int


@message("mwi.set")
class SetMessagesWaiting(Command[MailboxState]):
    """Tell how many messages wait. Refused with ``extension.unknown`` or ``mwi.invalid_count``."""

    number: str
    new: int
    old: int = 0
    new_urgent: int = 0
    old_urgent: int = 0
