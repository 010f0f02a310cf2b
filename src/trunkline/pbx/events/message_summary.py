"""The ``message-summary`` package (RFC 3842): whether messages wait for an extension."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, Protocol

from trunkline.call.party import Party
from trunkline.ua.subscriptions import View

CONTENT_TYPE: Final = "application/simple-message-summary"
MAX_COUNT: Final = 2**32 - 1  # RFC 3842 §5.2: msg-count has no bound; phones do


class Waiting(NamedTuple):
    """Voice messages, new and old, and how many of each are urgent."""

    new: int = 0
    old: int = 0
    new_urgent: int = 0
    old_urgent: int = 0


class Mailboxes(Protocol):
    """Who knows how many messages wait."""

    def waiting(self, tenant: str, number: str) -> Waiting:
        """The counts of a mailbox; zeros for one that nobody told of."""
        ...


class TableOfMailboxes:
    """Counts that somebody else tells, such as a voicemail system beside the exchange; they do not outlive it.

    ``on_change(tenant, number)`` is told of each change.
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], Waiting] = {}
        self.on_change: Callable[[str, str], None] = lambda _tenant, _number: None

    def waiting(self, tenant: str, number: str) -> Waiting:
        return self._counts.get((tenant, number), Waiting())

    def put(self, tenant: str, number: str, counts: Waiting) -> None:
        """Take over the counts of a mailbox. Zeros need no place, so the table has one for extensions at most."""
        if counts == self.waiting(tenant, number):
            return
        if any(counts):
            self._counts[tenant, number] = counts
        else:
            del self._counts[tenant, number]
        self.on_change(tenant, number)

    def gone(self, tenant: str, number: str = "") -> None:
        """An extension was removed, or a whole tenant."""
        for key in [key for key in self._counts if key[0] == tenant and number in {"", key[1]}]:
            del self._counts[key]

    def of(self, tenant: str) -> Iterator[tuple[str, Waiting]]:
        """The mailboxes of a tenant that hold anything."""
        for (owner, number), counts in self._counts.items():
            if owner == tenant:
                yield number, counts


class MessageSummaryPackage:
    """Mailboxes of the extensions themselves."""

    event = "message-summary"
    content_type = CONTENT_TYPE

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes

    def has_news(self, subscription: View) -> bool:
        watch = subscription.watch
        return bool(subscription.told.get("waiting") != self._mailboxes.waiting(watch.tenant, watch.number))

    def compose(self, subscription: View) -> bytes:
        watch = subscription.watch
        waiting = self._mailboxes.waiting(watch.tenant, watch.number)
        subscription.told["waiting"] = waiting
        return render(Party(watch.number, watch.domain).uri, waiting)


def render(account: str, waiting: Waiting) -> bytes:
    """The document (RFC 3842 §5.2); ``account`` is the URI of the extension."""
    return (
        f"Messages-Waiting: {'yes' if waiting.new else 'no'}\r\nMessage-Account: {account}\r\n"
        f"Voice-Message: {waiting.new}/{waiting.old} ({waiting.new_urgent}/{waiting.old_urgent})\r\n"
    ).encode()
