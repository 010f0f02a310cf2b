"""What an event package tells the notifier (RFC 6665 §5.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from trunkline.ua.subscriptions.subscription import Subscription


class Watch(NamedTuple):
    """Who watches whom: ``watcher`` and ``number`` are extensions of ``tenant``, ``domain`` stands in its addresses."""

    tenant: str
    watcher: str
    number: str
    domain: str


class Package(Protocol):
    """One event package, such as ``dialog``; it knows the state and writes it down for one subscription.

    ``content_type`` is that of its documents, in lower case.
    """

    event: str
    content_type: str

    def has_news(self, subscription: Subscription) -> bool:
        """Whether the state is another than the one that ``subscription.told`` holds."""
        ...

    def compose(self, subscription: Subscription) -> bytes:
        """The full state as a document, with ``subscription.version``; takes down in ``told`` what it says."""
        ...
