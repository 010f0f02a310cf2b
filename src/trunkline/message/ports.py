"""What the queue needs of others."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from trunkline.base.story import Story
from trunkline.model.text import Text


class Deliver(Protocol):
    """Who takes a text to its reader's contacts."""

    async def __call__(self, text: Text, story: Story) -> int:
        """The 2xx of the contact that took it; raises CallFailed with what the writer is to be told."""
        ...


class Journal(Protocol):
    """Where texts are kept that wait for their reader."""

    def keep(self, text: Text) -> Awaitable[None]:
        """Write a text; done when it is committed. Raises StoreError, at once or when awaited."""
        ...

    def gone(self, text: Text) -> None:
        """Delete it, some time soon."""
        ...
