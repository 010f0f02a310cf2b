"""What an event package tells the notifier (RFC 6665 §5.4)."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol


class Watch(NamedTuple):
    """Who watches whom: ``watcher`` and ``number`` are extensions of ``tenant``, ``domain`` stands in its addresses."""

    tenant: str
    watcher: str
    number: str
    domain: str


class View(Protocol):
    """What one subscriber knows of one extension: a subscription, or its part of a list.

    ``told`` is the package's note of it; ``version`` counts documents from 0.
    """

    watch: Watch
    told: dict[str, Any]
    version: int


class Package(Protocol):
    """One event package, such as ``dialog``; it knows the state and writes it down for one subscription.

    ``content_type`` is that of its documents, in lower case.
    """

    event: str
    content_type: str

    def has_news(self, subscription: View) -> bool:
        """Whether the state is another than the one that ``subscription.told`` holds."""
        ...

    def compose(self, subscription: View) -> bytes:
        """The full state as a document, with ``subscription.version``; takes down in ``told`` what it says."""
        ...
