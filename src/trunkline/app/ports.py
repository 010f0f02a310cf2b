"""What the outside of the program needs of the inside; ``wiring`` provides it."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from trunkline.app.settings.file import Loaded
from trunkline.base.message_codec import Message
from trunkline.base.messages import Request


class Handlers(Protocol):
    """Answers requests, with or without a running exchange."""

    async def handle(self, message: Request[Any]) -> Message:
        """The reply, of the type that the request names; raises Refused."""


class Wiring(Protocol):
    """The module ``trunkline.app.wiring``, as the command line sees it."""

    def run(self, loaded: Loaded) -> int:
        """Run the exchange until it is told to stop; the exit code of the process."""

    def open_offline(self, loaded: Loaded) -> AbstractAsyncContextManager[Handlers]:
        """Handlers over the store alone, for requests whose ``offline`` is true."""
